"""One server process with all models, for every test of this folder that does not end it."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests import POOLS
from tests.app.processes import Running, running
from tests.support.contract import Contract
from tests.support.over_http import ask


@pytest.fixture(scope="session")
def server(trained_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A real process on a free port, with as many threads as it has for people."""
    folder = tmp_path_factory.mktemp("server")
    settings = {"BARCAST_ARTIFACTS_DIR": str(trained_store), "BARCAST_DATA_DIR": str(folder)}
    with pytest.MonkeyPatch.context() as free:
        for pool in POOLS:
            free.delenv(pool, raising=False)
        with running(["-m", "app"], folder, **settings) as it:
            yield it


@pytest.fixture(scope="session")
def contract(server: Running) -> Contract:
    """The document that this server serves."""
    return Contract(msgspec.json.decode(ask(server.url, "GET", "/openapi.json").body))

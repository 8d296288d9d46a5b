"""The application with all models in this process, once for this folder, and what it promises."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.support.contract import Contract
from tests.support.in_process import InProcess


@pytest.fixture(scope="session")
def service(trained_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """An application that nobody changes."""
    with InProcess(trained_store, tmp_path_factory.mktemp("no_imports")) as running:
        yield running


@pytest.fixture(scope="session")
def contract(service: InProcess) -> Contract:
    """The document that it serves."""
    return Contract(msgspec.json.decode(service.get("/openapi.json").body))

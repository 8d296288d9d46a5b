"""One server process for all commands and examples of the documents."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.session import Session, session


@pytest.fixture(scope="session")
def served(trained_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """A service with all models and the shipped sample."""
    with session(trained_store, tmp_path_factory.mktemp("data")) as it:
        yield it

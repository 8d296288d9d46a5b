"""What holds for every test: how examples are generated, in which order tests run, and models trained once for all."""

import json
import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from models.store.lock import locked
from tests.app.two_versions import two_versions
from training.kit.discover import model_names
from training.kit.fleet import train_all

TRAINING_S = 600.0
"""How long a test worker waits for another to train the models."""

settings.register_profile(
    "barcast",
    deadline=None,  # a machine that is busy with something else is not a bug
    max_examples=50,  # a test that needs more says so itself
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],  # the same reason as for the deadline
)
settings.load_profile("barcast")


def pytest_configure() -> None:
    """Take Ctrl-C as a terminal gives it: a shell's background jobs ignore it, and so would all that they start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run what is marked slow, or waits for trained models, last: a mistake shows in seconds."""
    for item in items:
        if isinstance(item, pytest.Function) and {"trained_store", "two_version_store"} & {*item.fixturenames}:
            item.add_marker("slow")
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)


@pytest.fixture(scope="session")
def two_version_store(trained_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store with two versions of `tests.app.two_versions.MODEL`, to be copied."""
    return two_versions(trained_store, tmp_path_factory.mktemp("two_versions")).root


@pytest.fixture(scope="session")
def trained_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store with all models trained on the shipped sample, once a test run. Only read it: copy it to write.

    The environment variable TRAINED_STORE names one that is there already and is to be judged instead.
    """
    if given := os.environ.get("TRAINED_STORE"):
        return Path(given)
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base  # the workers of one run share the parent
    store, done = shared / "trained", shared / "trained.json"
    with locked(shared / "trained.lock", TRAINING_S):
        if not done.exists():
            lines: list[str] = []
            results = train_all(model_names(), artifacts=store, data=shared / "no_imports", say=lines.append)
            failed = [result for result in results if result.code != 0]
            assert not failed, "\n".join([str(failed), *lines[-40:]])
            done.write_text(json.dumps({result.model: result.seconds for result in results}))
    return store

"""What holds for every test: how examples are generated, and in which order tests run."""

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "barcast",
    deadline=None,  # a machine that is busy with something else is not a bug
    max_examples=50,  # a test that needs more says so itself
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],  # the same reason as for the deadline
)
settings.load_profile("barcast")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run what is marked slow last: a mistake shows in seconds."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)

"""Where the shelves of the artifact house stand."""

import os
from pathlib import Path


def artifacts_root() -> Path:
    """Return the store's folder: ``BARCAST_ARTIFACTS``, or ``models/artifacts`` of this checkout."""
    chosen = os.environ.get("BARCAST_ARTIFACTS")
    return Path(chosen) if chosen else Path(__file__).parent / "artifacts"

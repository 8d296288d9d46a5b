"""Where the shelves of the artifact house stand."""

import os
from pathlib import Path


def artifacts_root() -> Path:
    """Return the store's folder: ``BARCAST_ARTIFACTS_DIR``, relative to this checkout, or ``models/artifacts``."""
    here = Path(__file__).resolve().parent
    return here.parent / Path(os.environ.get("BARCAST_ARTIFACTS_DIR") or here / "artifacts").expanduser()

"""Where the shelves of the market-data house stand."""

import os
from pathlib import Path


def processed_root() -> Path:
    """Return the folder of imported series, below ``BARCAST_DATA_DIR`` (relative to this checkout) or ``data``."""
    here = Path(__file__).resolve().parent
    return here.parent / Path(os.environ.get("BARCAST_DATA_DIR") or here).expanduser() / "processed"

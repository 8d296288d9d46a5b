"""Where the shelves of the market-data house stand."""

import os
from pathlib import Path


def processed_root() -> Path:
    """Return the folder of stored series, below ``BARCAST_DATA_DIR`` (relative to this checkout) or ``data``."""
    here = Path(__file__).resolve().parent
    return here.parent / Path(os.environ.get("BARCAST_DATA_DIR") or here).expanduser() / "processed"


def raw_beside(processed: Path) -> Path:
    """Return the folder of raw snapshots that belongs to a folder of stored series: ``raw`` beside it."""
    return processed.parent / "raw"

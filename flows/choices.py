"""Names and numbers that a plan and its command line share; importing this loads nothing."""

from typing import Final, Literal, get_args

Source = Literal["stored", "csv", "yahoo"]
SOURCES: Final[tuple[Source, ...]] = get_args(Source)

SCRIPT_TIMEOUT_S: Final = 3600.0
"""How long a training script may take."""

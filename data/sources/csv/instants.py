"""Instants to session days. An instant alone doesn't say on which day of which exchange it lies."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from data.errors import AmbiguousFile, UnreadableFile
from data.sources.csv.options import Options

SECONDS_A_DAY: Final = 86_400
_UNIX: Final = date(1970, 1, 1).toordinal()
_MONDAY, _FRIDAY, _SATURDAY, _SUNDAY = 0, 4, 5, 6


@dataclass(frozen=True, slots=True)
class Place:
    """Where cells stand: their texts, their one-based lines, the header of their column."""

    cells: Sequence[str]
    lines: Sequence[int]
    column: str


def session_days(seconds: dict[int, float], place: Place, options: Options) -> tuple[dict[int, int], str]:
    """Return the session day (days since 1970) by row, and how it was found.

    Instants at midnight UTC are days already. Others are days of ``options.timezone``. Without one, the UTC days are
    the session days if they are a trading week: they hold a Monday and a Friday, and neither Saturday nor Sunday. A
    bar stamped with the evening before or the night after shifts the week, and shows a Sunday or a Saturday.

    Raises
    ------
    UnreadableFile
        No such time zone.
    AmbiguousFile
        The UTC days aren't a trading week and no time zone is given.

    """
    if all(value % SECONDS_A_DAY == 0 for value in seconds.values()):
        return {row: int(value // SECONDS_A_DAY) for row, value in seconds.items()}, "midnight UTC"
    if options.timezone is not None:
        zone = _zone(options.timezone)
        days = {row: datetime.fromtimestamp(value, zone).toordinal() - _UNIX for row, value in seconds.items()}
        return days, f"days of {options.timezone}"
    days = {row: int(value // SECONDS_A_DAY) for row, value in seconds.items()}
    weekdays = {(day + 3) % 7 for day in days.values()}  # 1970-01-01 was a Thursday
    if {_MONDAY, _FRIDAY} <= weekdays and not {_SATURDAY, _SUNDAY} & weekdays:
        return days, "UTC days, which are Monday to Friday"
    row = next(row for row, value in seconds.items() if value % SECONDS_A_DAY)
    shown = datetime.fromtimestamp(seconds[row], UTC).isoformat(" ", "seconds")
    message = (
        f"expected instants that show their session day, found {place.cells[row]!r} ({shown}), and the UTC days aren't "
        "a Monday-to-Friday week; pass timezone= with the exchange's, such as 'America/New_York', or 'UTC' for crypto"
    )
    raise AmbiguousFile(message, parameter="timezone", line=place.lines[row], column=place.column)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UnreadableFile(
            f"expected a time zone such as 'America/New_York', found {name!r}; correct timezone="
        ) from error

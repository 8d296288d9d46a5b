"""Which versions may be removed: never one that serves, or that a rollback would go to."""

from collections.abc import Sequence
from typing import Final

from models.store.ledger import Entry, before_current
from models.store.shelf import version_number

KEEP: Final = 5
"""How many of the newest versions stay in any case."""


def removable(
    published: Sequence[str], promotions: Sequence[Entry], keep: int, sound: frozenset[str]
) -> tuple[str, ...]:
    """Return the versions that may go, oldest first.

    The champion stays, with the versions that served before it down to the first that a rollback could go to, and so do
    the ``keep`` newest.

    Parameters
    ----------
    published : sequence of str
        Versions that are there.
    promotions : sequence of Entry
        Those that came true, oldest first.
    keep : int
        At least 0.
    sound : frozenset of str
        Those of ``published`` that are not quarantined.

    """
    by_number = sorted(published, key=version_number)
    newest = by_number[len(by_number) - keep :] if keep else []
    serving = [promotions[-1].version] if promotions else []
    before = before_current(tuple(promotions))
    first = next((at for at, version in enumerate(before) if version in sound), len(before))
    stay = {*newest, *serving, *before[: first + 1]}
    return tuple(version for version in by_number if version not in stay)

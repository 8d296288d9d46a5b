"""How many configurations of a model were looked at: what a good one among them has to be discounted by."""

import msgspec

from training.kit.notes import Notes
from training.kit.spec import ModelSpec


class Trials(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Configurations that were looked at, by where that is on record; what nobody wrote down is missing.

    Attributes
    ----------
    model : int
        The model itself: 1.
    histories : int
        Its further tiers, each a forecast of its own in the same table.
    alternatives : int
        Settings that its declaration names beside its own, which a fit may choose.
    tried : int
        Entries under "What was tried" in its notes.
    searched : int
        Finished trials of the study that chose its settings.
    count : int
        All of them.

    """

    model: int
    histories: int
    alternatives: int
    tried: int
    searched: int
    count: int


def trials_of(spec: ModelSpec, notes: Notes, searched: int) -> Trials:
    """Count the trials of a model."""
    parts = {
        "model": 1,
        "histories": len(spec.tiers) - 1,
        "alternatives": len(spec.alternatives),
        "tried": notes.trials,
        "searched": searched,
    }
    return Trials(**parts, count=sum(parts.values()))

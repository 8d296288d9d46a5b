"""The audit of a schedule: run on the folds of every report before anything is fitted on them."""

from collections.abc import Sequence

import numpy as np

from feature_mapper.errors import BarcastError
from skill.schedule import Mode
from training.kit.questions.base import Rows
from training.kit.splits import Fold


class FoldFault(BarcastError):
    """A fold trains on what it is asked about."""


def check_folds(rows: Rows, folds: Sequence[Fold], mode: Mode, embargo: int) -> None:
    """Check every fold against the rows themselves, not against how it was made.

    Raises
    ------
    FoldFault
        A training label ends less than ``embargo`` sessions before the first test day, or later; a row is asked twice;
        where symbols are to be unseen, one of them trains or is not kept apart from heads.

    """
    days = np.unique(rows.date)
    asked = np.concatenate([fold.test for fold in folds])
    if len(np.unique(asked)) < len(asked):
        raise FoldFault("expected every row to be asked once, found rows that are asked twice; correct the schedule")
    for fold in folds:
        first = rows.date[fold.test].min()
        last_label = rows.label_end[fold.train].max()
        gap = int(np.searchsorted(days, first) - np.searchsorted(days, last_label))
        if gap <= embargo:
            message = f"expected more than {embargo} sessions from the last label to {first}, found {gap}"
            raise FoldFault(f"fold {fold.number}: {message}; correct the schedule")
        if mode == "forward":
            continue
        tested = np.unique(rows.symbol[fold.test])
        if np.isin(rows.symbol[fold.train], tested).any():
            raise FoldFault(f"fold {fold.number}: expected unseen symbols, found some that train; correct the schedule")
        if not np.isin(tested, fold.apart).all():
            raise FoldFault(f"fold {fold.number}: expected unseen symbols, found some in heads; correct the schedule")

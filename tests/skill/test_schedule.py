"""Who trains on what: every row is asked once, and nothing that trains knows what is asked."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from feature_mapper.typing import DateArray
from skill.audit import FoldFault, check_folds
from skill.schedule import MODES, Mode, Schedule, blocks_of
from training.kit.questions.base import Rows
from training.kit.spec import SpecError
from training.kit.splits import Fold

SYMBOLS = ("AAPL", "IBM", "MSFT", "XOM", "GE")
FIRST = np.datetime64("2003-03-03")
SCHEDULE = Schedule(groups=2)

modes = pytest.mark.parametrize("mode", MODES)


def sessions(n: int) -> DateArray:
    """Return n weekdays."""
    days: DateArray = np.busday_offset(FIRST, np.arange(n))
    return days


def rows(n: int = 2400, horizon: int = 5, late: int = 0) -> Rows:
    """Return rows of five symbols, the last of which begins ``late`` sessions after the others."""
    days = sessions(n + horizon)
    spans = [(days[late if at == len(SYMBOLS) - 1 else 0 : n], at) for at in range(len(SYMBOLS))]
    date = np.concatenate([span for span, _ in spans])
    symbol = np.concatenate([np.full(len(span), at) for span, at in spans])
    label_end = days[np.searchsorted(days, date) + horizon]
    return Rows(np.zeros(len(date)), date, label_end, symbol, {})


@modes
@pytest.mark.parametrize("years", [1, 3])
def test_every_row_from_the_first_test_year_on_is_asked_once(mode: Mode, years: int) -> None:
    """Folds of either mode cover the same rows, each once."""
    of = rows()
    schedule = Schedule(years=years, groups=2)
    folds = schedule.folds(of, SYMBOLS, mode)
    asked = np.sort(np.concatenate([fold.test for fold in folds]))
    assert np.array_equal(asked, np.flatnonzero(of.date >= schedule.edges(of, mode)[0]))


@modes
def test_folds_pass_the_audit(mode: Mode) -> None:
    """What is planned is what the audit demands."""
    check_folds(rows(), SCHEDULE.folds(rows(), SYMBOLS, mode), mode, SCHEDULE.embargo)


def test_every_symbol_is_kept_apart_once() -> None:
    """The groups share no symbol, leave none out, and do not depend on the order of the universe."""
    groups = SCHEDULE.apart(SYMBOLS)
    assert sorted(np.concatenate(groups).tolist()) == list(range(len(SYMBOLS)))
    backwards = SYMBOLS[::-1]
    named = [{SYMBOLS[at] for at in group.tolist()} for group in groups]
    assert [{backwards[at] for at in group.tolist()} for group in SCHEDULE.apart(backwards)] == named


def test_refits_are_of_calendar_years() -> None:
    """The first January by which half of the symbols have a thousand labelled sessions, and every one after it."""
    edges = SCHEDULE.edges(rows(), "forward")
    assert edges[0] == np.datetime64("2008-01-01")  # the thousandth label of March 2003 on ends in January 2007
    assert all(str(edge).endswith("-01-01") for edge in edges)


def test_unseen_symbols_are_asked_about_the_same_rows_by_fewer_refits() -> None:
    """As each of theirs is one for every group; two blocks at least come before that."""
    of = rows()
    firsts = {mode: blocks_of(Schedule(groups=2, unseen_years=3).folds(of, SYMBOLS, mode)) for mode in MODES}
    assert set(firsts["unseen"]) < set(firsts["forward"])
    one, other = (np.concatenate(list(blocks.values())) for blocks in firsts.values())
    assert np.array_equal(np.sort(one), np.sort(other))
    assert len(Schedule(unseen_years=99).edges(of, "unseen")) > 2


def test_a_symbol_that_comes_late_delays_nobody() -> None:
    """Half of the symbols decide."""
    assert np.array_equal(SCHEDULE.edges(rows(late=1500), "forward"), SCHEDULE.edges(rows(), "forward"))


@pytest.mark.parametrize("n", [300, 1010])
def test_too_little_history_is_refused(n: int) -> None:
    """With what is needed and what is there."""
    with pytest.raises(SpecError, match="add history"):
        SCHEDULE.folds(rows(n), SYMBOLS, "forward")


def no_purge(of: Rows, fold: Fold) -> Fold:
    """Train on rows by their day, whose labels reach into the test block."""
    return replace(fold, train=np.flatnonzero(of.date < fold.first))


def no_embargo(of: Rows, fold: Fold) -> Fold:
    """Purge, and leave no gap."""
    return replace(fold, train=np.flatnonzero(of.label_end < fold.first))


def asked_row_trains(_: Rows, fold: Fold) -> Fold:
    """Train on rows that are asked."""
    return replace(fold, train=np.union1d(fold.train, fold.test[:1]))


def seen(of: Rows, fold: Fold) -> Fold:
    """Train on the past of the symbols that are said to be unseen."""
    early = np.flatnonzero((of.label_end < fold.first - np.timedelta64(30, "D")) & np.isin(of.symbol, fold.apart))
    return replace(fold, train=np.union1d(fold.train, early))


def in_the_head(_: Rows, fold: Fold) -> Fold:
    """Let heads learn on the symbols that are said to be unseen."""
    return replace(fold, apart=())


def asked_twice(of: Rows, fold: Fold) -> Fold:
    """Ask a row of the first fold in every other one too."""
    return replace(fold, test=np.union1d(fold.test, np.flatnonzero(of.date == SCHEDULE.edges(of, "forward")[1])[:1]))


def future(of: Rows, fold: Fold) -> Fold:
    """Train on what follows the test block."""
    return replace(fold, train=np.union1d(fold.train, np.flatnonzero(of.date > fold.first + np.timedelta64(800, "D"))))


@pytest.mark.parametrize(
    ("plant", "mode", "at"),
    [
        (no_purge, "forward", -1),
        (no_embargo, "forward", -1),
        (asked_row_trains, "forward", -1),
        (future, "forward", 0),
        (asked_twice, "forward", -1),
        (seen, "unseen", -1),
        (in_the_head, "unseen", -1),
    ],
)
def test_planted_mistakes_are_caught(plant: Callable[[Rows, Fold], Fold], mode: Mode, at: int) -> None:
    """One wrong fold among right ones is found before anything is fitted."""
    of = rows()
    folds = SCHEDULE.folds(of, SYMBOLS, mode)
    folds[at] = plant(of, folds[at])
    with pytest.raises(FoldFault):
        check_folds(of, folds, mode, SCHEDULE.embargo)

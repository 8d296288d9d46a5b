"""A regime model on a universe: the density that it gave to each coming session, and how steady its labels are."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import msgspec
import numpy as np

from feature_mapper.typing import FloatArray, IntArray
from skill.audit import check_folds
from skill.fits import regimes as fits
from skill.fits.rows import learnt_by, sequence_rows
from skill.judge import Scored
from skill.rivals import regimes as rivals
from skill.schedule import MODES, Schedule
from skill.shelf import Shelf, fold_key
from skill.side_by_side import Told, gathered
from skill.tabular import Result
from skill.universe import Universe
from training.kit.discover import spec_of
from training.kit.questions.base import Rows
from training.kit.regime import Options
from training.kit.spec import ModelSpec
from training.kit.splits import Fold

METRIC: Final = "minus_log_density"

STILL: Final = "same states without memory"
"""The rival that the verdict compares with: the states in their long-run shares, relative to the same habit."""

Arrays = dict[str, FloatArray]


def results(
    model: str,
    tiers: tuple[int, ...],
    universe: Universe,
    schedule: Schedule,
    shelf: Shelf,
    processes: int,
    told: Told,
) -> list[Result]:
    """Evaluate the tiers of a regime model in both modes. Folds learn nothing from earlier ones, so all are scored.

    Unseen symbols have refits as often as the others: these fits are quick, and labels are compared from one to the
    next.

    Raises
    ------
    SpecError
        There is too little history.
    FoldFault
        The schedule lets something train on what it is asked about.

    """
    spec = spec_of(model)
    if schedule.years > 1:  # a quick look takes one start, of which one in ten ends in a worse place
        spec = replace(spec, options={**spec.options, "starts": 1})
    schedule = replace(schedule, unseen_years=schedule.years)
    rows = sequence_rows(universe.series, max(spec.tiers), 1)
    told(f"{len(rows):,} rows")
    found: list[Result] = []
    others: Arrays = {}
    for mode in MODES:
        folds = schedule.folds(rows, universe.symbols, mode)
        check_folds(rows, folds, mode, schedule.embargo)
        walked = _Walked(model, spec, universe, rows, folds, shelf, processes, told)
        if mode == "forward":
            others = walked.others()
        weights = walked.weights()
        said, steady = walked.said(weights, tiers), walked.steady(weights, max(tiers))
        asked = np.sort(np.concatenate([fold.test for fold in folds]))
        asked = asked[~np.isnan(said[f"loss/{max(tiers)}"][asked])]  # a session without a range is nothing to score
        mine, others_said = rows.take(asked), {name: values[asked] for name, values in others.items()}
        for tier in tiers:
            label = said[f"label/{tier}"][asked]
            everyone = {STILL: said[f"still/{tier}"][asked], **others_said}
            found.append(
                Result(
                    model=model,
                    tier=tier,
                    mode=mode,
                    metric=METRIC,
                    scored=Scored(
                        mine.date, mine.symbol, universe.symbols, said[f"loss/{tier}"][asked], everyone, log=True
                    ),
                    volatility=said["volatility"][asked],
                    figures={"mean_duration": duration(label, mine.symbol), **steady},
                )
            )
    return found


class _Walked:
    """The folds of a mode: what is fitted, said and compared there, each piece kept."""

    def __init__(
        self,
        model: str,
        spec: ModelSpec,
        universe: Universe,
        rows: Rows,
        folds: list[Fold],
        shelf: Shelf,
        processes: int,
        told: Told,
    ) -> None:
        self._name = (model, repr(spec))
        self._spec, self._series, self._rows, self._folds = spec, universe.series, rows, folds
        self._shelf, self._processes, self._told = shelf, processes, told

    def weights(self) -> list[Arrays]:
        """Return the fit of each fold."""
        options = msgspec.convert(self._spec.options, Options)

        def piece(fold: Fold) -> Callable[[], Arrays]:
            return self._piece(
                ("fit", fold_key(fold)), lambda: fits.fit(self._series, self._rows, fold, self._spec, options)
            )

        return self._gathered([piece(fold) for fold in self._folds], "fit")

    def said(self, weights: Sequence[Arrays], tiers: tuple[int, ...]) -> Arrays:
        """Return what fits say of the rows of their folds, as `skill.fits.regimes.said`, over all rows."""

        def piece(fold: Fold, arrays: Arrays) -> Callable[[], Arrays]:
            return self._piece(
                ("said", tiers, fold_key(fold)),
                lambda: fits.said(self._series, self._rows, fold, fits.fitted(arrays), tiers),
            )

        pieces = [piece(fold, arrays) for fold, arrays in zip(self._folds, weights, strict=True)]
        return self._joined(self._gathered(pieces, "forecasts of fit"))

    def others(self) -> Arrays:
        """Return the losses of the rivals over all rows, by name."""

        def piece(fold: Fold) -> Callable[[], Arrays]:
            return self._piece(("rivals", fold_key(fold)), lambda: rivals.losses(self._series, self._rows, fold))

        return self._joined(self._gathered([piece(fold) for fold in self._folds], "rivals of fold"))

    def steady(self, weights: Sequence[Arrays], tier: int) -> dict[str, float]:
        """Return the shares of days that keep their label from a fit to the next one of the same symbols.

        ``label_kept`` is of the days that both had learnt on, ``label_kept_since`` of those since, which the earlier
        one had not seen, both over all refits; ``label_kept_least`` is the first of the refit where it was least.
        Groups of unseen symbols are compared about those symbols.
        """
        chains = [
            [at for at, fold in enumerate(self._folds) if fold.apart == apart]
            for apart in dict.fromkeys(fold.apart for fold in self._folds)
        ]
        pairs = [pair for chain in chains for pair in itertools.pairwise(chain)]

        def piece(one: int, other: int) -> Callable[[], Arrays]:
            earlier, later = self._folds[one], self._folds[other]
            days = (learnt_by(self._rows, earlier), learnt_by(self._rows, later))
            symbols: IntArray = np.array(earlier.apart or range(len(self._series)), np.int64)
            return self._piece(
                ("kept labels", tier, fold_key(earlier), fold_key(later)),
                lambda: fits.kept_labels(
                    self._series, days, (fits.fitted(weights[one]), fits.fitted(weights[other])), symbols, tier
                ),
            )

        found = self._gathered([piece(*pair) for pair in pairs], "labels of refit")
        kept, days = (np.sum([arrays[name] for arrays in found], axis=0) for name in ("kept", "days"))
        least = min(float(arrays["kept"][0] / arrays["days"][0]) for arrays in found)
        return {
            "label_kept": float(kept[0] / days[0]),
            "label_kept_least": least,
            "label_kept_since": float(kept[1] / days[1]),
        }

    def _piece(self, key: tuple[object, ...], make: Callable[[], Arrays]) -> Callable[[], Arrays]:
        return lambda: self._shelf.kept(("regime", *self._name, *key), make)

    def _gathered(self, work: Sequence[Callable[[], Arrays]], what: str) -> list[Arrays]:
        return gathered(work, self._processes, self._told, what)

    def _joined(self, parts: Sequence[Arrays]) -> Arrays:
        """Put what was said of the rows of each fold where the rows are; NaN for rows that nobody is asked about."""
        result: Arrays = {}
        for fold, arrays in zip(self._folds, parts, strict=True):
            for name, values in arrays.items():
                result.setdefault(name, np.full(len(self._rows), np.nan))[fold.test] = values
        return result


def duration(label: FloatArray, symbol: IntArray) -> float:
    """Return the mean length of runs of one label, in sessions; rows of a symbol are neighbours, in order of days.

    The first and the last run of a symbol are cut off by the ends of its rows and count as they are; a label that
    changes because the fit did counts as a change.
    """
    changes = int(np.count_nonzero((label[1:] != label[:-1]) | (symbol[1:] != symbol[:-1])))
    return len(label) / (changes + 1)

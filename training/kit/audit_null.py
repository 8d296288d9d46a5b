"""Evaluations of what can't be forecast: whether they find skill, and whether their forecasts know what came later.

Where labels are drawn by lot, an honest evaluation finds nothing, and a procedure that lets a label into the forecast
of its own row finds something. Tabular models keep their features and get each other's labels; regime models and price
paths, whose labels are the coming sessions themselves, get markets of sessions in any order (`training.kit.falsify`).
In either case nothing legitimate is left: not the level of a symbol, nor a calm decade, nor a drift.

The same evaluation is then made again with everything falsified that a forecast must not know; it must not move by a
bit. That finds what no score would show, such as a scale or a calibration that was fitted on all rows.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import msgspec
import numpy as np

from feature_mapper.bars import Bars
from feature_mapper.typing import BoolArray, DateArray, FloatArray
from models.certificate import Check, Form
from models.families.base import TabularFamily, tabular_family
from models.tasks.base import Columns
from models.tasks.registry import task_of
from training.kit import regime
from training.kit.checks import verdict
from training.kit.evaluation import rival_losses
from training.kit.falsify import FACTOR, later_days, shuffled
from training.kit.forecast import SHOWN
from training.kit.origins import HORIZONS, Options, plan
from training.kit.panel import Panel, build, dated, longest
from training.kit.path_errors import Errors
from training.kit.paths import evaluate
from training.kit.progress import Progress
from training.kit.questions.base import Question, Rows
from training.kit.questions.registry import question_of
from training.kit.spec import ModelSpec, SpecError
from training.kit.splits import Fold, PurgedWalkForward
from training.kit.walk import FoldForecast, forecast_fold, scored_rows, with_heads

ALARM: Final = 1e-4
"""Chance that an honest evaluation is taken for one that knows its labels, over all tiers of a model together."""

BLOCK: Final = 21
"""Days whose losses are added up before they are compared: longer than any horizon that is scored."""

SEED: Final = 5
"""Of the lots."""

QUICK_FOLDS: Final = 2
"""The least that a walk forward needs: one fold teaches heads, one is scored."""

QUICK_SYMBOLS: Final = 2
"""Longest series that regimes and price paths are looked at on in the quick form."""

QUICK_SESSIONS: Final = 1200
"""Last sessions of them that regimes are looked at on: on sessions in any order EM comes to rest slowly."""

QUICK_ORIGINS: Final = 3
"""Of price paths; the first one teaches widths."""


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class Scored:
    """Losses of forecasts of what can't be forecast, and of the rival that nothing should beat, each of shape (n,).

    ``relative``: whether their ratio means something, as in `training.kit.losses.TierLosses`.
    """

    name: str
    own: FloatArray
    rival: FloatArray
    date: DateArray
    relative: bool


def examine(model: str, spec: ModelSpec, series: Mapping[str, Bars], form: Form) -> tuple[Check, Check]:
    """Evaluate a model where there is nothing to know; return what the score says, and whether any forecast moved.

    Parameters
    ----------
    model : str
        Name, which tells the task.
    spec : ModelSpec
        How it is fitted.
    series : Mapping of str to Bars
        Whose features, sessions and days are used.
    form : {"quick", "full"}
        ``full``: all tiers, folds and origins of the specification. ``quick``: two folds of a tabular model's shortest
        tier; two folds and one start of a regime model; three origins of price paths; both on two series.

    """
    match task_of(model).identity.name:
        case "regime":
            return _regime(spec, series, form)
        case "forecast":
            return _forecast(spec, series, form)
        case _:
            return _tabular(question_of(model), spec, series, form)


def no_skill(parts: Sequence[Scored], rows: str) -> Check:
    """Say whether any part beats its rival by more than chance would.

    Losses are added up over blocks of `BLOCK` days. The mean of the blocks' differences over its standard error follows
    Student's t where there is no skill, and lies lower where a model has fitted noise. The level `ALARM` is shared by
    the parts (Bonferroni).
    """
    from scipy.stats import t as student

    faults, figures = set[str](), {"false_alarm_rate": ALARM}
    for part in parts:
        gains, base, counts = _blocks(part)
        error = float(gains.std(ddof=1) / np.sqrt(len(gains)))
        found = float(gains.mean())
        bound = float(student.ppf(1 - ALARM / len(parts), len(gains) - 1))
        unit = float(base.mean()) if part.relative else float(counts.mean())
        figures |= {
            f"{part.name} skill": found / unit,
            f"{part.name} alarm above": bound * error / unit,
        }
        if found > bound * error:
            faults.add(f"{part.name}: skill {found / unit:+.4f}, where chance stays below {bound * error / unit:.4f}")
    n = sum(len(part.own) for part in parts)
    worst = max(figures[f"{part.name} skill"] - figures[f"{part.name} alarm above"] for part in parts)
    told = f"{rows}: {n:,} rows, {-worst:.4f} below the alarm, which is false once in {1 / ALARM:,.0f}"
    counts_of = {"rows": n, "parts": len(parts), "blocks": min(len(_blocks(part)[0]) for part in parts)}
    return Check(
        name="shuffled_target",
        passed=not faults,
        detail=told if not faults else f"{rows}: {n:,} rows; fails for {', '.join(sorted(faults))}",
        counts=counts_of,
        figures=figures,
        seed=SEED,
    )


def _blocks(part: Scored) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return gain, loss of the rival and number of rows, added up by blocks of days, each of shape (blocks,)."""
    _, day = np.unique(part.date, return_inverse=True)
    count = max((int(day.max()) + 1) // BLOCK, 2)  # what is left over goes to the last one
    block = np.minimum(day // BLOCK, count - 1)
    gain, rival, rows = (np.bincount(block, w, count) for w in (part.rival - part.own, part.rival, np.ones(len(day))))
    return gain.astype(np.float64), rival.astype(np.float64), rows.astype(np.float64)


def _tabular(question: Question, spec: ModelSpec, series: Mapping[str, Bars], form: Form) -> tuple[Check, Check]:
    family = tabular_family(spec.family)
    splits = spec.splits if form == "full" else replace(spec.splits, folds=QUICK_FOLDS)
    splitter = PurgedWalkForward.of(splits)
    tiers = spec.tiers if form == "full" else spec.tiers[:1]
    scored, moved, tried = list[Scored](), set[str](), 0
    for tier in tiers:
        panel = labels_by_lot(build(series, question, spec.features_of(tier), tier), question)
        folds = list(splitter.split(panel.rows.date, panel.rows.label_end))
        parts = [forecast_fold(panel, fold, question, spec, family) for fold in folds]
        out = with_heads(panel, question, spec.level, parts)
        rows = scored_rows(panel, out)
        rivals = rival_losses(panel, out, question)
        best = min(rivals.values(), key=lambda losses: float(losses.mean()))
        scored.append(Scored(f"tier {tier}", question.loss(out.forecast, rows.y), best, rows.date, relative=True))
        for number in range(1, len(folds)) if form == "full" else (len(folds) - 1,):
            faults = _moved(panel, parts, number, question, spec, family)
            moved |= {f"tier {tier}, fold {number}: {what}" for what in faults}
            tried += 1
    told = f"forecasts of {tried} folds, with other labels, bars and baselines from the fold on"
    return (
        no_skill(scored, f"labels by lot, {len(tiers)} tiers, {splits.folds} folds"),
        verdict("walk_isolation", moved, told, {"tiers": len(tiers), "folds": tried}),
    )


def labels_by_lot(panel: Panel, question: Question) -> Panel:
    """Return the panel with each row's label drawn from those of all rows, without replacement.

    A positive target (a variance) is drawn in units of the yardstick, so that the level, which is known, stays what it
    was, and what came relative to it is what nobody can know.
    """
    rows, order = panel.rows, np.random.default_rng(SEED).permutation(len(panel.rows))
    if question.objective != "positive":
        return _with_labels(panel, rows.y[order], panel.variance_ahead)
    level = np.square(panel.volatility(panel.scale(np.arange(len(rows)))))
    return _with_labels(panel, level * (rows.y / level)[order], level * (panel.variance_ahead / level)[order])


def _with_labels(panel: Panel, y: FloatArray, variance_ahead: FloatArray) -> Panel:
    return replace(panel, rows=replace(panel.rows, y=y), variance_ahead=variance_ahead)


def _moved(
    panel: Panel,
    parts: Sequence[FoldForecast],
    number: int,
    question: Question,
    spec: ModelSpec,
    family: TabularFamily,
) -> list[str]:
    """Return what of a fold's forecasts moves when all that it must not know is another."""
    fold = parts[number].fold
    other = _unknown_falsified(panel, fold, classes=question.objective in ("binary", "multiclass"))
    again = forecast_fold(other, fold, question, spec, family)
    pairs: dict[str, tuple[FloatArray, FloatArray]] = {
        "margin": (parts[number].margin, again.margin),
        "margin of all features": (parts[number].full_margin, again.full_margin),
        "yardstick": (parts[number].scale, again.scale),
    }
    for name, forecast in parts[number].rivals.items():
        pairs |= {f"{name} {column}": (forecast[column], again.rivals[name][column]) for column in forecast}
    heads = with_heads(panel, question, spec.level, parts[: number + 1]).forecast
    others = with_heads(other, question, spec.level, [*parts[:number], again]).forecast
    pairs |= {f"head, {column}": pair for column, pair in _paired(heads, others).items()}
    return [what for what, (one, two) in pairs.items() if one.tobytes() != two.tobytes()]


def _paired(one: Columns, other: Columns) -> dict[str, tuple[FloatArray, FloatArray]]:
    return {name: (values, other[name]) for name, values in one.items()}


def _unknown_falsified(panel: Panel, fold: Fold, *, classes: bool) -> Panel:
    """Return the panel with other labels where they ended in the fold or later, and other rows behind it.

    They are others as a whole, not only in another order: a mean or a quantile of them would not notice that.
    """
    rows = panel.rows
    unknown, behind = rows.label_end >= fold.first, rows.date > fold.last

    def turned(values: FloatArray, part: BoolArray) -> FloatArray:
        copy = values.copy()
        copy[part] = copy[part][::-1]
        return copy

    y = turned(rows.y, unknown)
    if classes:  # of which some are then too many
        y[np.flatnonzero(unknown)[::2]] = 0.0
    else:
        y[unknown] *= FACTOR
    context = {name: turned(values, behind) for name, values in rows.context.items()}
    return replace(
        panel,
        x=turned(panel.x, behind),
        rows=Rows(y, rows.date, rows.label_end, rows.symbol, context),
        logs=turned(panel.logs, behind),
        variance_ahead=np.where(unknown, FACTOR, 1.0) * turned(panel.variance_ahead, unknown),
    )


def _silent() -> Progress:
    return Progress("", 0, stream=io.StringIO())


def _regime(spec: ModelSpec, series: Mapping[str, Bars], form: Form) -> tuple[Check, Check]:
    options, splits = msgspec.convert(spec.options, regime.Options), spec.splits
    if form == "quick":
        series = {symbol: bars.tail(QUICK_SESSIONS) for symbol, bars in longest(series, QUICK_SYMBOLS).items()}
        options, splits = msgspec.structs.replace(options, starts=1), replace(splits, folds=QUICK_FOLDS)
    splitter, markets = PurgedWalkForward.of(splits), shuffled(series, SEED)
    walked = regime.walk(spec, options, markets, splitter, _silent())
    pooled = np.concatenate([dated(bars)[1:] for bars in series.values()])
    *_, last = splitter.split(pooled, pooled)
    inside = np.unique(pooled[last.test])
    day = inside[len(inside) // 2]
    other = regime.walk(spec, options, later_days(markets, day), splitter, _silent())
    ends = np.empty_like(walked.date)
    for number, bars in enumerate(series.values()):
        mine = walked.symbol == number
        ends[mine] = dated(bars)[np.searchsorted(dated(bars), walked.date[mine]) + 1]
    known = ends <= day
    moved = {
        f"tier {tier}" for tier, found in walked.tiers.items() if not _same(found[known], other.tiers[tier][known])
    }
    moved |= {
        f"{regime.NAIVE}, tier {tier}"
        for tier, found in walked.naive.items()
        if not _same(found[known], other.naive[tier][known])
    }
    moved |= {name for name, found in walked.rivals.items() if not _same(found[known], other.rivals[name][known])}
    scored = [
        Scored(f"tier {tier}", own, walked.settled[tier], walked.date, relative=False)
        for tier, own in walked.tiers.items()
    ]
    told = f"densities of {int(known.sum()):,} sessions, with other bars after {day}"
    return (
        no_skill(scored, f"sessions by lot, {len(spec.tiers)} tiers, {splits.folds} folds"),
        verdict("walk_isolation", moved, told, {"tiers": len(spec.tiers), "folds": splits.folds}),
    )


def _forecast(spec: ModelSpec, series: Mapping[str, Bars], form: Form) -> tuple[Check, Check]:
    options = msgspec.convert(spec.options, Options)
    if form == "quick":
        series, options = _quick(series, options)
    markets = shuffled(series, SEED)
    origins = evaluate(markets, spec, options, _silent(), plain=False)
    day = origins.first_days[-1]
    other = evaluate(later_days(markets, day), spec, options, _silent(), plain=False)
    moved = _errors_moved(origins.errors, other.errors, day)
    if origins.shares != other.shares:
        moved.add("shares")
    column, scored = HORIZONS.index(SHOWN[0]), origins.scored
    # What is served may be none of a path, which compares nothing: whole paths have to be without skill too.
    parts = [
        Scored(
            f"{what}, {SHOWN[0]} sessions",
            np.abs(errors[:, column]),
            np.abs(scored.naive[:, column]),
            scored.date,
            relative=True,
        )
        for what, errors in (("shares", scored.error), ("paths", scored.of_path), ("average", scored.of_average))
    ]
    counts = {"origins": len(origins.first_days), "symbols": len(series)}
    told = f"paths from {counts['origins']} origins of {len(series)} series, with other bars after {day}"
    return (
        no_skill(parts, f"sessions by lot, {counts['origins']} origins, {len(series)} series"),
        verdict("truncation_invariance", moved, told, counts),
    )


def _quick(series: Mapping[str, Bars], options: Options) -> tuple[Mapping[str, Bars], Options]:
    """Return fewer series and origins; what was declared, if the histories are too short for that."""
    chosen = longest(series, QUICK_SYMBOLS)
    days = len(np.unique(np.concatenate([dated(bars) for bars in chosen.values()])))
    step = -(-(days - options.history - max(HORIZONS)) // QUICK_ORIGINS)
    if step < 1:
        return series, options
    fewer = msgspec.structs.replace(options, step=step, teaching=1)
    try:
        plan(chosen, fewer)
    except SpecError:
        return series, options
    return chosen, fewer


def _errors_moved(one: Errors, other: Errors, day: np.datetime64) -> set[str]:
    """Return what of the forecasts that had ended by a day differs."""
    left, right = one.take(one.ends <= day), other.take(other.ends <= day)
    names = ("fitted_to", "known", "error", "unseen", "naive", "of_path", "of_average", "scales")
    return {name for name in names if getattr(left, name).tobytes() != getattr(right, name).tobytes()}


def _same(one: FloatArray, other: FloatArray) -> bool:
    return one.tobytes() == other.tobytes()

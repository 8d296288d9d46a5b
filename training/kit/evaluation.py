"""From out-of-fold forecasts to the figures that a manifest, a card and a plot show."""

from collections.abc import Sequence

import numpy as np

from feature_mapper.typing import DateArray, FloatArray, IntArray
from models.manifest import Score
from models.typing import Json, JsonObject
from training.kit.losses import TierLosses
from training.kit.panel import Panel
from training.kit.questions.base import Question
from training.kit.scores import skill
from training.kit.walk import OutOfFold, scored_rows


def scores(panel: Panel, out: OutOfFold, question: Question) -> tuple[Score, ...]:
    """Return the skill against each rival, the naive one first; if features were dropped, that of all of them last."""
    rows = scored_rows(panel, out)
    own = question.loss(out.forecast, rows.y)
    rivals = rival_losses(panel, out, question)
    result = [skill(question.metric, own, loss, rows.date, against=name) for name, loss in rivals.items()]
    if out.refitted:
        naive = next(iter(rivals))
        full = question.loss(out.full_forecast, rows.y)
        metric = f"{question.metric}_all_features"
        result.append(skill(metric, full, rivals[naive], rows.date, against=naive))
    return tuple(result)


def rival_losses(panel: Panel, out: OutOfFold, question: Question) -> dict[str, FloatArray]:
    """Return each rival's losses on the scored rows, shape (n,); the one that skill is quoted against comes first.

    Which one that is may depend on all outcomes: it makes a score, and no forecast reads it.
    """
    rows = scored_rows(panel, out)
    found = {name: question.loss(forecast, rows.y) for name, forecast in out.rivals.items()}
    quoted = question.quoted({name: float(np.mean(loss)) for name, loss in found.items()}, panel.tier)
    return {quoted: found[quoted], **found}


def losses(panel: Panel, out: OutOfFold, question: Question) -> TierLosses:
    """Return the losses of every scored row, for comparisons with other versions."""
    rows = scored_rows(panel, out)
    naive, base = next(iter(rival_losses(panel, out, question).items()))
    return TierLosses(
        tier=panel.tier,
        metric=question.metric,
        baseline=naive,
        relative=True,
        symbol=rows.symbol,
        date=rows.date,
        outcome=rows.y,
        model=question.loss(out.forecast, rows.y),
        naive=base,
    )


def report(panel: Panel, out: OutOfFold, question: Question, symbols: tuple[str, ...]) -> JsonObject:
    """Return the tier's part of ``evaluation.json``: figures, rivals, folds, years and symbols."""
    rows = scored_rows(panel, out)
    own = question.loss(out.forecast, rows.y)
    rivals = rival_losses(panel, out, question)
    naive, base = next(iter(rivals.items()))
    fold = out.fold[out.scored]
    return {
        "tier": panel.tier,
        "n": len(rows),
        "first": str(rows.date.min()),
        "last": str(rows.date.max()),
        "metric": question.metric,
        "baseline": naive,
        "figures": question.figures(out.forecast, rows.y),
        "rivals": {name: float(np.mean(loss)) for name, loss in rivals.items()},
        "loss": float(np.mean(own)),
        "folds": _grouped(own, base, fold, [f"fold {number}" for number in range(int(fold.max()) + 1)]),
        "years": by_year(own, base, rows.date),
        "symbols": by_symbol(own, base, rows.symbol, symbols),
    }


def by_year(own: FloatArray, base: FloatArray, date: DateArray, *, ratio: bool = True) -> Json:
    """Return n and skill (or, without ``ratio``, gain) of each calendar year."""
    return _grouped(own, base, *calendar_years(date), ratio=ratio)


def calendar_years(date: DateArray) -> tuple[IntArray, tuple[str, ...]]:
    """Return the group of each row by calendar year, and the names of the groups."""
    years = date.astype("datetime64[Y]").astype(np.int64) + 1970
    first = int(years.min())
    return years - first, tuple(str(year) for year in range(first, int(years.max()) + 1))


def by_symbol(
    own: FloatArray, base: FloatArray, symbol: IntArray, names: tuple[str, ...], *, ratio: bool = True
) -> Json:
    """Return n and skill (or gain) of each symbol that has rows."""
    return _grouped(own, base, symbol, names, ratio=ratio)


def _grouped(own: FloatArray, base: FloatArray, group: IntArray, names: Sequence[str], *, ratio: bool = True) -> Json:
    result: dict[str, Json] = {}
    for number, name in enumerate(names):
        mine = group == number
        if mine.any():
            value = 1 - own[mine].sum() / base[mine].sum() if ratio else (base - own)[mine].mean()
            result[name] = {"n": int(mine.sum()), "skill": float(value)}
    return result

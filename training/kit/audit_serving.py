"""Whether a model in service is the model that was trained: the same bits from a window, and nothing from before it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

import msgspec
import numpy as np

from feature_mapper.bars import Bars
from feature_mapper.typing import DateArray, FloatArray, IntArray
from models.certificate import Check, Form
from models.families import prophet
from models.forecast import POOLED, ForecastHead, ForecastModel, path_file
from models.regime import WEIGHTS, RegimeModel
from models.served import BarsModel, ServedModel
from models.sessions import windows
from models.states import States
from models.tabular import TabularModel
from training.kit.checks import verdict
from training.kit.falsify import earlier
from training.kit.origins import HORIZONS
from training.kit.panel import build, dated, longest
from training.kit.paths import PLAIN_LEVEL, Ahead
from training.kit.questions.registry import question_of
from training.kit.spec import SpecError

SEED: Final = 9
"""Of the dates."""

QUICK: Final = (3, 6)
FULL: Final = (1_000_000, 60)
"""Series, the longest ones first, and dates of each in each tier."""

TOLERANCE: Final = 1e-9
"""Of log prices: the evaluation of paths subtracts two logs where the service multiplies a price."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Days on which a model is asked: a series, a tier, and positions of bars that have the tier's history."""

    symbol: str
    bars: Bars
    tier: int
    at: IntArray


def sampled(served: ServedModel, series: Mapping[str, Bars], form: Form, ahead: int = 0) -> list[Sample]:
    """Draw dates of every tier of some series, each with ``ahead`` sessions behind it."""
    most, dates = FULL if form == "full" else QUICK
    rng, samples = np.random.default_rng(SEED), list[Sample]()
    for symbol, bars in longest(series, most).items():
        for tier in served.manifest.tiers:
            stop = len(bars) - ahead
            if stop >= tier.tier:
                at = np.unique(rng.integers(tier.tier - 1, stop, dates))
                samples.append(Sample(symbol, bars, tier.tier, at))
    return samples


def parity(served: ServedModel, files: Mapping[str, bytes], series: Mapping[str, Bars], form: Form) -> Check:
    """Say whether answers from windows of a tier's bars are the forecasts of the whole history's matrix, bit for bit.

    Parameters
    ----------
    served : ServedModel
        The model as the service loads it.
    files : Mapping of str to bytes
        Its weights, which the matrix is forecast with.
    series : Mapping of str to Bars
        Histories to ask about.
    form : {"quick", "full"}
        How many dates.

    """
    figures: dict[str, float] = {}
    match served:
        case TabularModel():
            faults, asked = _tabular(served, series, form)
        case RegimeModel():
            faults, asked = _regime(served, files, series, form)
        case ForecastModel():
            faults, asked, figures = _forecast(served, files, series, form)
        case _:
            raise TypeError(f"expected a model of this house, found {type(served).__name__}")
    looked = min(len(series), (FULL if form == "full" else QUICK)[0])
    told = f"{asked} answers from windows of {looked} series against the forecasts of whole histories"
    if not asked:
        faults.add("no history fills a tier")
    counts = {"answers": asked, "series": looked, "tiers": len(served.manifest.tiers)}
    check = verdict("serving_parity", faults, told, counts, SEED)
    return msgspec.structs.replace(check, figures=figures)


def apart(found: FloatArray, expected: FloatArray) -> bool:
    """Tell whether two arrays differ in any bit."""
    return found.shape != expected.shape or found.tobytes() != expected.tobytes()


def _tabular(served: TabularModel, series: Mapping[str, Bars], form: Form) -> tuple[set[str], int]:
    """Compare with rows of the training panel itself, built anew from each series."""
    faults, asked = set[str](), 0
    question = question_of(served.manifest.model)
    most, dates = FULL if form == "full" else QUICK
    rng = np.random.default_rng(SEED)
    for symbol, bars in longest(series, most).items():
        for tier in served.tiers:
            try:
                panel = build({symbol: bars}, question, tier.features, tier.bars)
            except SpecError:  # it has no row of this tier
                continue
            drawn = np.unique(rng.integers(0, len(panel.rows), dates))
            rows = panel.x[drawn]
            scale = np.ones(len(panel.rows)) if tier.scale is None else panel.volatility(tier.scale)
            columns = served.task.columns(tier.estimator.predict(rows), scale[drawn], tier.head)
            days = panel.rows.date[drawn]
            for row, day, expected in zip(rows, days, served.task.fields(columns, tier.head), strict=True):
                stop = int(np.searchsorted(dated(bars), day)) + 1
                known = bars[stop - tier.bars : stop]
                place = f"{symbol} {day}, tier {tier.bars}"
                if apart(tier.vector(known, 1)[0], row):
                    faults.add(f"{place}: features")
                (found,) = served.answer(known)
                if (found.tier, found.fields) != (tier.bars, expected):
                    faults.add(f"{place}: answer")
                asked += 1
    return faults, asked


def _regime(
    served: RegimeModel, files: Mapping[str, bytes], series: Mapping[str, Bars], form: Form
) -> tuple[set[str], int]:
    fitted, faults, asked = States.load(files[WEIGHTS]), set[str](), 0
    for sample in sampled(served, series, form):
        bars, tier = sample.bars, sample.tier
        posterior = fitted.filter(windows(bars, tier, len(bars) - tier + 1))
        for at in sample.at.tolist():
            expected = posterior[at + 1 - tier]
            (found,) = served.answer(bars[at + 1 - tier : at + 1])
            said = np.array(list(cast("dict[str, float]", found.fields["probabilities"]).values()))
            if found.tier != tier or apart(said, expected):
                faults.add(f"{sample.symbol} {dated(bars)[at]}, tier {tier}: probabilities")
            asked += 1
    return faults, asked


def _forecast(
    served: ForecastModel, files: Mapping[str, bytes], series: Mapping[str, Bars], form: Form
) -> tuple[set[str], int, dict[str, float]]:
    """Compare the path and the band from a window with those from all bars so far, and with the evaluation's moves."""
    faults, asked, largest = set[str](), 0, 0.0
    horizons = np.array(HORIZONS)
    heads = {tier.tier: msgspec.convert(tier.head, ForecastHead) for tier in served.manifest.tiers}
    for sample in sampled(served, series, form, max(HORIZONS)):
        bars, tier = sample.bars, sample.tier
        name = path_file(sample.symbol)
        path = prophet.load(files[name if name in files else path_file(POOLED)])
        for at in sample.at.tolist():
            place = f"{sample.symbol} {dated(bars)[at]}, tier {tier}"
            days = dated(bars)[at + 1 : at + 1 + max(HORIZONS)]
            found = _asked(served, bars[at + 1 - tier : at + 1], days)
            asked += 1
            if tier == served.manifest.tiers[-1].tier:  # what answers whoever sends more bars
                faults |= {f"{place}: {what}" for what in _different(found, _asked(served, bars[: at + 1], days))}
            ahead = Ahead(bars, at, at + 1)
            share = heads[tier].share if name in files else heads[tier].average_share
            drawn = share * (ahead.moves - ahead.errors(path))[0]
            moves = np.log(found["path"][horizons - 1] / bars.close[at])
            largest = max(largest, float(np.abs(drawn - moves).max()))
    if largest > TOLERANCE:
        faults.add(f"log moves of the path, by up to {largest:.3g}")
    return faults, asked, {"largest_difference_of_log_moves": largest, "bound": TOLERANCE}


def _asked(served: ForecastModel, bars: Bars, days: DateArray) -> dict[str, FloatArray]:
    said = served.forecast(bars, days, level=PLAIN_LEVEL, regressors={})
    return {"path": said.path, "lower": said.lower, "upper": said.upper}


def _different(one: Mapping[str, FloatArray], other: Mapping[str, FloatArray]) -> list[str]:
    return [name for name, values in one.items() if apart(values, other[name])]


def window_alone(served: ServedModel, series: Mapping[str, Bars], form: Form) -> Check:
    """Say whether a model that has no features reads the window of its tier, and no bar before it.

    With other bars before the window the answer is the same bits. Tiers whose answers do not move either when the
    window itself is another are counted as idle.
    """
    faults, idle = set[str](), {tier.tier for tier in served.manifest.tiers}
    bounds = sorted(tier.tier for tier in served.manifest.tiers)
    asked = 0
    samples = sampled(served, series, form, max(HORIZONS))
    for sample in samples:
        later = [tier for tier in bounds if tier > sample.tier]
        longest = later[0] - 1 if later else len(sample.bars)  # one bar more, and the next tier answers
        for at in sample.at.tolist():
            history = sample.bars[max(at + 1 - longest, 0) : at + 1]
            days = dated(sample.bars)[at + 1 : at + 1 + max(HORIZONS)]
            whole = _numbers(served, history, days)
            before = len(history) - sample.tier
            if whole != _numbers(served, earlier(history, before), days):
                faults.add(f"{sample.symbol} {dated(sample.bars)[at]}, tier {sample.tier}")
            if sample.tier in idle and whole != _numbers(served, earlier(history, len(history)), days):
                idle.discard(sample.tier)
            asked += 1
    tried = {sample.tier for sample in samples}
    told = f"{asked} answers with other bars before the window, and in it"
    counts = {"answers": asked, "tiers": len(bounds), "idle": len(idle & tried)}
    return verdict("lookback_true", faults, told, counts, SEED)


def _numbers(served: ServedModel, bars: Bars, days: DateArray) -> object:
    """Return what a model says as of the last bar, to be compared."""
    if isinstance(served, ForecastModel):
        return {name: values.tobytes() for name, values in _asked(served, bars, days).items()}
    (found,) = cast("BarsModel", served).answer(bars)
    return found.tier, found.fields

"""Plots of an evaluation, as PNG bytes. Figures only, drawn from the same numbers as ``evaluation.json``."""

import io
import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from feature_mapper.bars import Bars
from feature_mapper.typing import DateArray, FloatArray
from models.tasks.base import Columns
from training.kit.questions.base import Question
from training.kit.reliability import Bands, Calibration, Densities, Probabilities

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK: Final = "#1f3a5f"
PALE: Final = "#9db4ce"
WARN: Final = "#b3541e"
INKS: Final = (INK, WARN, "#5b8c5a", "#8a6fae", "#c9a227", "#6b6b6b")
SHADES: Final = ("#f0c4b4", "#eeeeee", "#c9e2c9")
CALIBRATION: Final = "calibration.png"
"""Name of the plot that every model has, whatever its answers consist of."""

BY_YEAR: Final = "_by_year.png"
"""What the name of the plot by calendar year ends with."""

LEEWAY: Final = 3.0
"""Points above and below its promise that the plot of a band shows at least, so that a good one looks good."""

TOP: Final = 20
BINS: Final = 10


def canvas(width: float = 7.0, height: float = 3.6) -> "tuple[Figure, Axes]":
    """Return an empty figure that needs no display and leaves no global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def png(figure: "Figure") -> bytes:
    """Return the figure as PNG; without a time stamp, so that the same figure is the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return buffer.getvalue()


def by_year(
    own: FloatArray, base: FloatArray, date: DateArray, metric: str, baseline: str, *, ratio: bool = True
) -> bytes:
    """Draw the skill (or, without ``ratio``, gain) of every calendar year; bars below 0 lost to the baseline."""
    years = date.astype("datetime64[Y]").astype(np.int64) + 1970
    labels = np.unique(years)
    parts = [(own[years == year], base[years == year]) for year in labels]
    values = [1 - mine.sum() / theirs.sum() if ratio else (theirs - mine).mean() for mine, theirs in parts]
    figure, axes = canvas()
    axes.bar(labels, values, color=[INK if value > 0 else WARN for value in values])
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_xticks(labels, [str(year) for year in labels], rotation=45)
    axes.set_ylabel(metric)
    axes.set_title(f"Out of sample against {baseline}, by year", loc="left", fontsize=10)
    return png(figure)


def regimes(symbol: str, bars: Bars, posterior: FloatArray, states: Sequence[str]) -> bytes:
    """Draw the price with the filtered regimes behind it."""
    best = np.argmax(posterior, axis=1)
    figure, axes = canvas(9.0, 3.6)
    edges = np.flatnonzero(np.diff(best)) + 1
    for start, stop in itertools.pairwise([0, *edges.tolist(), len(best)]):
        axes.axvspan(start, stop, color=SHADES[best[start] % len(SHADES)], linewidth=0)
    axes.plot(bars.close, color="black", linewidth=0.7)
    axes.set_yscale("log")
    axes.margins(x=0)
    if bars.date is not None:
        years = bars.date.astype("datetime64[Y]")
        at = np.flatnonzero(years[1:] != years[:-1]) + 1
        axes.set_xticks(at, [str(year) for year in years[at]], rotation=45)
    for state, shade in zip(states, SHADES, strict=False):
        axes.plot([], [], color=shade, linewidth=6, label=state)
    axes.legend(fontsize=8, frameon=False, loc="upper left")
    axes.set_title(f"{symbol}: filtered regimes (no bar sees a later one)", loc="left", fontsize=10)
    return png(figure)


def coverage(horizons: Sequence[int], ours: FloatArray, plain: FloatArray, level: float) -> bytes:
    """Draw the share of outcomes inside the band, before and after, against the level that was promised."""
    figure, axes = canvas(5.4, 3.4)
    axes.axhline(level, color="black", linewidth=0.8)
    axes.plot(horizons, ours, "o-", color=INK, label="conformal band")
    axes.plot(horizons, plain, "o-", color=WARN, label="plain Prophet")
    axes.set_ylim(0, 1)
    axes.set_xlabel("sessions ahead")
    axes.set_title(f"Share of closes inside the {level:.0%} band, out of sample", loc="left", fontsize=10)
    axes.legend(frameon=False, fontsize=8)
    return png(figure)


def importance(names: Sequence[str], gain: FloatArray) -> bytes:
    """Draw the share of total gain of the most used features."""
    order = np.argsort(-gain, kind="stable")[:TOP][::-1]
    total = gain.sum()
    share = gain[order] / total if total > 0 else gain[order]
    figure, axes = canvas(height=4.8)
    axes.barh([names[at] for at in order], share, color=PALE)
    axes.tick_params(axis="y", labelsize=7)
    axes.set_xlabel("share of total gain (in sample: tells what is used, not what is worth something)", fontsize=8)
    axes.set_title("Features most used", loc="left", fontsize=10)
    return png(figure)


def calibration(found: Calibration) -> bytes:
    """Draw probabilities against frequencies, levels against shares held, or outcomes by tenths of their densities."""
    match found:
        case Probabilities():
            return _probabilities(found)
        case Bands():
            return _bands(found)
        case Densities():
            return _densities(found)


def _probabilities(found: Probabilities) -> bytes:
    figure, axes = canvas(4.6, 4.2)
    for (name, bins), ink in zip(found.classes.items(), INKS, strict=False):
        x, seen = [part.said for part in bins], [part.happened for part in bins]
        error = [1.96 * math.sqrt(part.happened * (1 - part.happened) / part.n) for part in bins]
        axes.errorbar(x, seen, yerr=error, fmt="o", color=ink, markersize=4, linewidth=1, label=name)
    said = [part.said for bins in found.classes.values() for part in bins]
    axes.plot([min(said), max(said)], [min(said), max(said)], color=PALE, linewidth=1)
    axes.locator_params(axis="x", nbins=5)
    axes.set_xlabel("forecast probability")
    axes.set_ylabel("share where it happened")
    if len(found.classes) > 1:
        axes.legend(frameon=False, fontsize=8)
    axes.set_title("Probabilities, out of sample (bars: 95 %)", loc="left", fontsize=10)
    return png(figure)


def _bands(found: Bands) -> bytes:
    figure, axes = canvas(4.6, 4.2)
    axes.axhline(0, color="black", linewidth=0.8)
    levels = np.array(found.levels)
    for (name, shares), ink in zip(found.held.items(), itertools.cycle(INKS), strict=False):
        axes.plot(100 * levels, 100 * (np.array(shares) - levels), "o-", color=ink, markersize=3, label=name)
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, -LEEWAY), max(high, LEEWAY))
    axes.set_xlabel("share that the band promises, %")
    axes.set_ylabel("share that it held, less that, points")
    if len(found.held) > 1:
        axes.legend(frameon=False, fontsize=8)
    axes.set_title("Bands by level, out of sample", loc="left", fontsize=10)
    return png(figure)


def _densities(found: Densities) -> bytes:
    figure, axes = canvas(4.6, 3.6)
    width = 0.8 / len(found.tenths)
    for number, ((name, shares), ink) in enumerate(zip(found.tenths.items(), INKS, strict=False)):
        at = np.arange(len(shares)) + 0.6 + width * (number + 0.5)
        axes.bar(at, shares, width, color=ink, label=name)
    axes.axhline(0.1, color="black", linewidth=0.8)
    axes.set_xlabel("tenth of the forecast distribution")
    axes.set_ylabel("share of outcomes")
    axes.legend(frameon=False, fontsize=8)
    axes.set_title("Outcomes by tenths of their densities, out of sample", loc="left", fontsize=10)
    return png(figure)


def reliability(question: Question, forecast: Columns, y: FloatArray) -> bytes:
    """Draw what was forecast against what happened, in ten bins of equal count."""
    said, happened, words = _compared(question.task.identity.name, forecast, y)
    order = np.argsort(said, kind="stable")
    parts = [part for part in np.array_split(order, BINS) if len(part)]
    x = [said[part].mean() for part in parts]
    seen = [happened[part].mean() for part in parts]
    error = [1.96 * happened[part].std() / np.sqrt(len(part)) for part in parts]
    figure, axes = canvas(4.6, 4.2)
    axes.errorbar(x, seen, yerr=error, fmt="o", color=INK, markersize=4, linewidth=1)
    low, high = min(*x, *seen), max(*x, *seen)
    axes.plot([low, high], [low, high], color=PALE, linewidth=1)
    axes.locator_params(axis="x", nbins=5)
    axes.set_xlabel(f"forecast {words}")
    axes.set_ylabel(f"realised {words}")
    axes.set_title("Reliability, out of sample (bars: 95 %)", loc="left", fontsize=10)
    return png(figure)


def _compared(task: str, forecast: Columns, y: FloatArray) -> tuple[FloatArray, FloatArray, str]:
    if task == "volatility":
        return np.square(forecast["volatility"]), y, "session variance"
    return forecast["expected_return"], y, "log return"

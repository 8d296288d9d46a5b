"""Plots of an evaluation, as PNG bytes. Figures only, drawn from the same numbers as ``evaluation.json``."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from feature_mapper.typing import DateArray, FloatArray
from models.tasks.base import Columns
from training.kit.questions.base import Question

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK: Final = "#1f3a5f"
PALE: Final = "#9db4ce"
WARN: Final = "#b3541e"
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


def skill_by_year(own: FloatArray, base: FloatArray, date: DateArray, metric: str, baseline: str) -> bytes:
    """Draw the skill of every calendar year; bars below 0 lost to the baseline."""
    years = date.astype("datetime64[Y]").astype(np.int64) + 1970
    labels = np.unique(years)
    skill = [1 - own[years == year].sum() / base[years == year].sum() for year in labels]
    figure, axes = canvas()
    axes.bar(labels, skill, color=[INK if value > 0 else WARN for value in skill])
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_xticks(labels, [str(year) for year in labels], rotation=45)
    axes.set_ylabel(metric)
    axes.set_title(f"Out-of-sample skill against {baseline}, by year", loc="left", fontsize=10)
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
    axes.set_xlabel(f"forecast {words}")
    axes.set_ylabel(f"realised {words}")
    axes.set_title("Reliability, out of sample (bars: 95 %)", loc="left", fontsize=10)
    return png(figure)


def _compared(task: str, forecast: Columns, y: FloatArray) -> tuple[FloatArray, FloatArray, str]:
    match task:
        case "direction":
            return forecast["probability_up"], y, "share of up sessions"
        case "volatility":
            return np.square(forecast["volatility"]), y, "session variance"
        case "risk":
            return forecast["probabilities"][:, -1], (y == forecast["probabilities"].shape[1] - 1) * 1.0, "share of HIGH"
        case _:
            return forecast["expected_return"], y, "log return"

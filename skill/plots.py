"""Pictures of a report, as PNG bytes, from its figures alone."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from skill.bands import Bands
from skill.report import Judged, Report, deepest
from training.kit.plots import INK, PALE, WARN, canvas, png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHADES: Final = (INK, WARN, PALE, "#6b8e23")
"""Of the rivals of least loss: more lines than that can't be told apart."""


def write_plots(folder: Path, found: Report) -> None:
    """Write the pictures of each model beside the figures; those of a report before go."""
    for old in folder.glob("*.png"):
        old.unlink()
    for result in pictured(found):
        (folder / ratios_name(result.model)).write_bytes(ratios(result))
        if result.bands is not None:
            (folder / bands_name(result.model)).write_bytes(held(result.model, result.bands))


def pictured(found: Report) -> Iterator[Judged]:
    """Yield the first result of each model with its longest history: forward in time, by the task's own measure."""
    seen: set[str] = set()
    for result in deepest(found):
        if result.model not in seen:
            seen.add(result.model)
            yield result


def ratios_name(model: str) -> str:
    """Return the name of the picture of a model beside its rivals."""
    return f"{model}.png"


def bands_name(model: str) -> str:
    """Return the name of the picture of what its bands held."""
    return f"{model}_bands.png"


def ratios(result: Judged) -> bytes:
    """Draw the loss over that of the strongest rivals, by year: below 1 the model is better."""
    figure, axes = canvas()
    strongest = sorted(result.rivals, key=lambda name: result.rivals[name].overall.ratio, reverse=True)
    for name, shade in zip(strongest, SHADES, strict=False):
        years = result.rivals[name].by_year
        axes.plot(list(years), [part.ratio for part in years.values()], "o-", color=shade, markersize=3, label=name)
    axes.axhline(1, color="black", linewidth=0.8)
    axes.legend(fontsize=8, frameon=False, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.15))
    _years(axes, f"{result.model}: loss over that of the strongest rivals")
    return png(figure)


def held(model: str, bands: Bands) -> bytes:
    """Draw the share of outcomes inside the bands, by year, against the share that was promised."""
    figure, axes = canvas(height=2.6)
    axes.plot(list(bands.by_year), list(bands.by_year.values()), "o-", color=INK, markersize=3)
    axes.axhline(bands.level, color="black", linewidth=0.8)
    axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    _years(axes, f"{model}: share of outcomes inside the {bands.level:.0%} band")
    return png(figure)


def _years(axes: "Axes", title: str) -> None:
    axes.tick_params(axis="x", labelrotation=45, labelsize=8)
    axes.set_title(f"{title}, out of sample, by year", loc="left", fontsize=10)

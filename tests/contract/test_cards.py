"""Laws of model cards, for every model there is: each question answered, each figure one of manifest or evaluation.

Tables are read back from the Markdown, so what is held to the figures is what a person sees.
"""

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import matplotlib.image
import numpy as np
import pytest

from models.manifest import Manifest
from models.store import ArtifactStore
from models.tasks.registry import task_of
from training.kit.card import RIVALS, SECTIONS
from training.kit.discover import model_names, spec_of
from training.kit.losses import LOSSES_NAME, Losses
from training.kit.notes import read_notes
from training.kit.questions.registry import QUESTIONS

every_model = pytest.mark.parametrize("model", model_names())

FOLLOWED = ("return", "direction")
Evaluation: TypeAlias = dict[str, Any]  # Any: each task has its own figures
Table: TypeAlias = list[dict[str, str]]


class Shown:
    """The artifact of a champion, with its card taken apart."""

    def __init__(self, store: Path, model: str) -> None:
        artifact = ArtifactStore(store).read(model)
        self.model, self.manifest, self.files = model, artifact.manifest, artifact.files
        self.task = task_of(model).identity.name
        self.evaluation: Evaluation = json.loads(artifact.files["evaluation.json"])
        self.card = artifact.files["card.md"].decode()
        title, *parts = re.split(r"^## (.+)$", self.card, flags=re.MULTILINE)
        self.title = title.strip()
        self.headings = tuple(parts[::2])
        self.bodies = dict(zip(self.headings, (part.strip() for part in parts[1::2]), strict=True))

    def tables(self, heading: str) -> list[Table]:
        """Return the tables of a section, rows by the names of their columns."""
        return [list(rows(found)) for found in re.findall(r"(?:^\|.*\n?)+", self.bodies[heading], re.MULTILINE)]


def rows(table: str) -> Iterator[dict[str, str]]:
    """Yield the rows of a Markdown table; a bar inside a cell is escaped."""
    head, _, *lines = (
        [cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in table.strip().splitlines()
    )
    for line in lines:
        yield dict(zip(head, line, strict=True))


def near(shown: str, value: float) -> bool:
    """Tell whether a cell is a value, as rounded as it stands there; percentages are of 1."""
    number, scale = shown.replace(",", "").removesuffix("%"), 100 if shown.endswith("%") else 1
    half = 0.5 * 10.0 ** -len(number.partition(".")[2])
    return abs(float(number) - scale * value) <= half * 1.000001


@pytest.fixture
def shown(model: str, trained_store: Path) -> Shown:
    """Return the card of a model that is really trained."""
    return Shown(trained_store, model)


@every_model
def test_every_question_is_answered(shown: Shown, model: str) -> None:
    """All sections, in order, none of them empty; what the author says stands in the section that it is about."""
    assert shown.title == f"# {model}"
    assert shown.headings == SECTIONS
    assert all(len(body) > 4 for body in shown.bodies.values())
    notes = read_notes(model)
    for heading, words in (
        ("Task", notes.task),
        ("Data and features", notes.data),
        ("How it is made", notes.made),
        ("What was tried, and did not help", notes.tried),
        ("Hurdles, and what is done about them", notes.hurdles),
        ("Caveats", notes.caveats),
    ):
        assert words in shown.bodies[heading]


@every_model
def test_every_plot_is_sound_and_shown(shown: Shown) -> None:
    """PNGs that decode to a picture with something on it, each shown once; by year and calibration in their places."""
    plots = {name for name in shown.files if name.endswith(".png")}
    assert sorted(re.findall(r"!\[\w+]\(([\w.]+)\)", shown.card)) == sorted(plots)
    for name in plots:
        assert shown.files[name].startswith(b"\x89PNG\r\n\x1a\n")
        picture = matplotlib.image.imread(io.BytesIO(shown.files[name]))
        assert min(picture.shape[:2]) > 200
        assert np.ptp(picture) > 0.5
        assert len(np.unique(picture.reshape(-1, picture.shape[-1]), axis=0)) > 8
    assert "_by_year.png)" in shown.bodies["By year"]
    assert "(calibration.png)" in shown.bodies["Calibration, and bars unlike those of training"]


@every_model
def test_features_are_those_of_the_manifest(shown: Shown) -> None:
    """Counts by tier and family; the foremost ten by gain, descending, with the definitions that the fit knew."""
    tiers = shown.manifest.tiers
    if not any(tier.features for tier in tiers):
        assert "there are no features" in shown.bodies["Data and features"]
        assert shown.evaluation["foremost"] == []
        return
    counts, foremost = shown.tables("Data and features")
    assert [int(row["features"]) for row in counts] == [len(tier.features) for tier in tiers]
    for row, tier in zip(counts, tiers, strict=True):
        told = dict(re.findall(r"(\w+) (\d+)", row["by family"]))
        assert sum(int(n) for n in told.values()) == len(tier.features)
        assert set(told) == {feature.family for feature in tier.features}
    known = {f"`{feature.name}`": feature for feature in tiers[-1].features}
    kept = shown.evaluation["foremost"]
    assert len(kept) == len(foremost) == min(10, len(known))
    gains = [entry["gain"] for entry in kept]
    assert gains == sorted(gains, reverse=True)
    assert 0 < sum(gains) <= 1 + 1e-9
    for row, entry in zip(foremost, kept, strict=True):
        assert row["feature"] == f"`{entry['feature']}`"
        assert near(row["share of gain"], entry["gain"])
        feature = known[row["feature"]]
        assert row["definition"].replace(r"\*", "*") == feature.formula
        assert (row["family"], int(row["bars"])) == (feature.family, feature.lookback)


@every_model
def test_scores_and_rivals_are_those_of_the_figures(shown: Shown) -> None:
    """Each score of each tier; each rival with words for it, and the losses that the skill is made of."""
    (worth,) = shown.tables("Worth, out of sample")
    scores = [(tier.tier, score) for tier in shown.manifest.tiers for score in tier.scores]
    assert len(worth) == len(scores)
    for row, (tier, score) in zip(worth, scores, strict=True):
        assert (int(row["tier (bars)"]), row["score"], row["against"]) == (tier, score.metric, score.baseline)
        assert near(row["value"], score.value)
        assert (int(row["n"].replace(",", "")), row["verdict"]) == (score.n, score.verdict)
    (rivals,) = shown.tables("Rivals")
    told = shown.evaluation["tiers"][-1]
    losses = {**{f"`{name}`": loss for name, loss in told["rivals"].items()}, "this model": told["loss"]}
    assert [row["rival"] for row in rivals] == list(losses)
    for row in rivals:
        *_, loss = row.values()
        assert float(loss) == pytest.approx(losses[row["rival"]], rel=1e-5)
        assert row["what it says"] == RIVALS.get(row["rival"].strip("`"), "")
        assert row["rival"] == "this model" or row["what it says"]


@every_model
def test_calibration_is_that_of_the_evaluation(shown: Shown) -> None:
    """Bands, probabilities or densities by task; the same numbers; and those of the manifest, where it has them too."""
    kept = shown.evaluation["calibration"]
    wanted = {"direction": "probabilities", "risk": "probabilities", "regime": "densities"}
    assert (kept["kind"], kept["tier"]) == (wanted.get(shown.task, "bands"), shown.manifest.tiers[-1].tier)
    limits, table = shown.tables("Calibration, and bars unlike those of training")
    assert [int(row["tier (bars)"]) for row in limits] == [tier.tier for tier in shown.manifest.tiers]
    cells = [list(row.values()) for row in table]
    if kept["kind"] == "probabilities":
        series = [bins for bins in kept["classes"].values() for _ in range(2)]
        for (_, word, *values), bins in zip(cells, series, strict=True):
            assert all(near(cell, part[word]) for cell, part in zip(values, bins, strict=True))
        distances = [
            sum(part["n"] * abs(part["said"] - part["happened"]) for part in bins) / sum(part["n"] for part in bins)
            for bins in kept["classes"].values()
        ]
        assert np.mean(distances) == pytest.approx(shown.manifest.tiers[-1].calibration)
        return
    shares = kept["held"] if kept["kind"] == "bands" else kept["tenths"]
    assert [name for name, *_ in cells] == list(shares)
    for name, *values in cells:
        assert all(near(cell, share) for cell, share in zip(values, shares[name], strict=True))
    if kept["kind"] == "bands":
        band = shown.manifest.tiers[-1].coverage
        assert band is not None
        name = "band" if "band" in shares else "5 ahead"
        assert shares[name][kept["levels"].index(band.level)] == pytest.approx(band.overall, abs=1e-12)


@every_model
def test_what_following_earned_is_that_of_the_evaluation(shown: Shown) -> None:
    """A book a tier where answers name a direction; figures agree with each other, and with the days of the losses."""
    body, kept = shown.bodies["Followed blindly"], shown.evaluation["followed"]
    if shown.task not in FOLLOWED:
        assert kept == []
        assert "has no book" in body
        return
    (table,) = shown.tables("Followed blindly")
    losses = Losses.load(shown.files[LOSSES_NAME])
    trials = shown.evaluation["trials"]["count"]
    for row, book, tier in zip(table, kept, losses.tiers, strict=True):
        assert int(row["tier (bars)"]) == book["tier"] == tier.tier
        assert int(row["days"].replace(",", "")) == book["days"] == len(np.unique(tier.date))
        assert near(row["turnover a day"], book["turnover"])
        assert near(row["gross, bp a day"], book["mean_bp"])
        assert near(row["gross a year"], book["mean_bp"] * 252 / 1e4)
        assert near(row[f"net of {book['cost_bp']:g} bp, bp a day"], book["net_bp"])
        assert near(row["net a year"], book["net_bp"] * 252 / 1e4)
        assert near(row["break-even cost, bp"], book["break_even_bp"])
        assert near(row["Sharpe, gross"], book["sharpe"])
        assert near(row["Sharpe, net"], book["net_sharpe"])
        assert near(row["Sharpe of holding all"], book["sharpe_long"])
        assert near(row["deflated Sharpe, gross"], book["deflated_sharpe"])
        assert near(row["deflated Sharpe, net"], book["net_deflated_sharpe"])
        assert book["trials"] == trials
        assert book["net_bp"] == pytest.approx(book["mean_bp"] - book["cost_bp"] * book["turnover"])
        assert book["break_even_bp"] * book["turnover"] == pytest.approx(book["mean_bp"])
        assert 0 < book["turnover"] <= 2
    assert f"the best of {trials} books" in body


@every_model
def test_trials_are_counted_with_their_parts(shown: Shown, model: str) -> None:
    """The parts add up, are those of declaration and notes, and stand in words below what was tried."""
    kept, spec = dict(shown.evaluation["trials"]), spec_of(model)
    count = kept.pop("count")
    assert count == sum(kept.values())
    assert kept == {
        "model": 1,
        "histories": len(spec.tiers) - 1,
        "alternatives": len(spec.alternatives),
        "tried": read_notes(model).tried.count("- **"),
        "searched": 0,
    }
    assert f"Configurations looked at: {count} = 1 " in shown.bodies["What was tried, and did not help"]


@every_model
def test_the_years_of_the_plot_are_those_of_the_scores(shown: Shown) -> None:
    """What is drawn by year adds up to all rows of the tier that is quoted; every tabular task has its losses there."""
    told = shown.evaluation["tiers"][-1]
    assert sum(year["n"] for year in told["years"].values()) == told["n"] == _headline(shown.manifest)
    assert (shown.task in QUESTIONS) is ("folds" in told)


def _headline(manifest: Manifest) -> int:
    return manifest.tiers[-1].scores[0].n

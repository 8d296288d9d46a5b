"""Laws that hold for every model there is: found by looking into the store and the model folders, never by name.

A new folder under ``training`` is held to all of them without a line here.
"""

import functools
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from data.sources.sample import read_sample
from feature_mapper.bars import Bars
from feature_mapper.mapper import compute
from feature_mapper.typing import FloatArray
from models import strict_json
from models.forecast import ForecastModel
from models.golden import cases_of
from models.manifest import Manifest
from models.served import BarsModel, ServedModel, load_model, prove
from models.store import ArtifactStore
from models.store.loading import Loaded
from models.tabular import FittedTier, TabularModel
from models.tasks.registry import task_of
from models.typing import Json
from models.verdicts import BETTER, NEITHER, WEAK
from training.kit.discover import model_names
from training.kit.panel import build
from training.kit.questions.registry import QUESTIONS, question_of

SAMPLE = dict(read_sample().bars)
PARITY_DATES = 150
"""Dates a symbol and tier; a symbol that fills two tiers has 300."""

MODELS = model_names()
TABULAR = tuple(name for name in MODELS if task_of(name).identity.name in QUESTIONS)
FROM_BARS = tuple(name for name in MODELS if task_of(name).identity.name != "forecast")

every_model = pytest.mark.parametrize("name", MODELS)
every_symbol = pytest.mark.parametrize("symbol", SAMPLE)


@functools.cache
def champion(store: Path, name: str) -> Loaded[ServedModel]:
    """Load the version that would serve, proven by its golden examples; once a test process."""
    return ArtifactStore(store).load(name, None, load_model, prove)


def answer(model: ServedModel, bars: Bars) -> dict[str, Json]:
    """Return the answer as of the last bar, with its tier; of a path, over the next five weekdays."""
    if isinstance(model, ForecastModel):
        assert bars.date is not None
        days = np.busday_offset(bars.date[-1], np.arange(1, 6), roll="backward")
        said = model.forecast(bars, days, level=0.8, regressors={})
        return {
            "tier": said.tier,
            "path": said.path.tolist(),
            "lower": said.lower.tolist(),
            "upper": said.upper.tolist(),
        }
    (one,) = cast("BarsModel", model).answer(bars)
    return {"tier": one.tier, **one.fields}


def lengths(manifest: Manifest) -> list[int]:
    """Return histories just below, at and just above each tier."""
    around = {tier.tier + more for tier in manifest.tiers for more in (-1, 0, 1)}
    return sorted(n for n in around if n > 0)


def histories(symbol: str, manifest: Manifest) -> list[Bars]:
    """Return the last bars of a symbol, as many as `lengths` says and there are."""
    bars = SAMPLE[symbol]
    return [bars.tail(n) for n in lengths(manifest) if n <= len(bars)]


def test_every_folder_has_a_champion(trained_store: Path) -> None:
    """And the store holds nothing that no folder made."""
    store = ArtifactStore(trained_store)
    assert store.models() == MODELS
    assert all(store.current(name) is not None for name in MODELS)


@every_model
def test_golden_examples_hold(trained_store: Path, name: str) -> None:
    """Replayed at load, at least 16, and each tier is among them."""
    loaded = champion(trained_store, name)
    artifact = ArtifactStore(trained_store).read(name)
    tiers = {case.expected["tier"] for case in cases_of(artifact.files["golden.json"])}
    assert tiers == {tier.tier for tier in loaded.manifest.tiers}


@every_model
def test_two_loads_answer_the_same_bytes(trained_store: Path, name: str) -> None:
    """For every golden input and for histories of every tier."""
    first, second = champion(trained_store, name).model, load_model(ArtifactStore(trained_store).read(name))
    golden = cases_of(ArtifactStore(trained_store).read(name).files["golden.json"])
    for case in golden:
        assert strict_json.encode(first.golden_answer(case.input)) == strict_json.encode(
            second.golden_answer(case.input)
        )
    for bars in histories("IBM", first.manifest):
        assert strict_json.encode(answer(first, bars)) == strict_json.encode(answer(second, bars))


@every_symbol
@every_model
def test_answers_are_numbers_of_their_tier(trained_store: Path, name: str, symbol: str) -> None:
    """JSON holds every answer (no NaN, no infinity), and the tier is the longest that the history fills."""
    loaded = champion(trained_store, name)
    for bars in histories(symbol, loaded.manifest):
        found = answer(loaded.model, bars)
        strict_json.encode(found)
        assert found["tier"] == max(tier.tier for tier in loaded.manifest.tiers if tier.tier <= len(bars))


@every_model
def test_bars_without_volume_name_and_dates_are_answered(trained_store: Path, name: str) -> None:
    """With other numbers perhaps, and always with numbers; a path alone needs dates, as it is one of days."""
    loaded = champion(trained_store, name)
    for bars in histories("MSFT", loaded.manifest):
        strict_json.encode(answer(loaded.model, replace(bars, volume=None, symbol=None)))
        if not isinstance(loaded.model, ForecastModel):
            strict_json.encode(answer(loaded.model, replace(bars, volume=None, symbol=None, date=None)))


@every_model
def test_probabilities_are_probabilities(trained_store: Path, name: str) -> None:
    """Each within 0 and 1; those of one question add up to 1; lower ends lie below upper ones."""
    loaded = champion(trained_store, name)
    for bars in histories("AAPL", loaded.manifest):
        found = answer(loaded.model, bars)
        for field, value in found.items():
            if "probabilit" in field:
                shares = list(cast("dict[str, float]", value).values()) if isinstance(value, dict) else [value]
                assert all(isinstance(share, float) and 0 <= share <= 1 for share in shares)
                assert len(shares) == 1 or sum(cast("list[float]", shares)) == pytest.approx(1.0, abs=1e-12)
            if field == "interval":
                band = cast("dict[str, float]", value)
                assert band["lower"] < band["upper"]


@pytest.mark.parametrize("name", FROM_BARS)
def test_later_bars_and_company_change_nothing(trained_store: Path, name: str) -> None:
    """Rows asked for together, across the borders of tiers and after later bars came, are the single answers."""
    model = cast("BarsModel", champion(trained_store, name).model)
    bars = SAMPLE["GOOG"]
    for n in lengths(champion(trained_store, name).manifest):
        rows = min(n, 4)
        together = model.answer(bars[:n], rows)
        assert together == [model.answer(bars[:end])[0] for end in range(n - rows + 1, n + 1)]
        assert model.answer(bars[: n + 3], rows + 3)[:rows] == together


@every_model
def test_leak_checks_passed_and_worth_is_stated(trained_store: Path, name: str) -> None:
    """Every check of the training run passed, and every tier says how good it is, against what, on how many rows."""
    manifest = champion(trained_store, name).manifest
    assert manifest.checks
    assert all(check.passed for check in manifest.checks), manifest.checks
    for tier in manifest.tiers:
        headline = tier.scores[0]
        assert headline.ci95 is not None
        assert headline.ci95[0] <= headline.value <= headline.ci95[1]
        assert headline.n > 1000
        assert headline.verdict in {BETTER, WEAK, NEITHER}


@pytest.mark.parametrize("name", TABULAR)
def test_manifest_names_exactly_what_the_estimator_reads(trained_store: Path, name: str) -> None:
    """The importance has one number a feature of the manifest; every feature fits into its tier."""
    loaded = champion(trained_store, name)
    for fitted, tier in zip(cast("TabularModel", loaded.model).tiers, loaded.manifest.tiers, strict=True):
        assert len(fitted.estimator.importance()) == len(tier.features)
        assert max(feature.lookback for feature in tier.features) <= tier.tier


@every_symbol
@pytest.mark.parametrize("name", TABULAR)
def test_parity(trained_store: Path, name: str, symbol: str) -> None:
    """The vector served for a window is the row of the training matrix, and so is the answer: bit for bit.

    For every tier that the symbol fills, on dates spread over its whole history. The window holds the tier's bars
    and nothing else; the matrix is computed from the whole history at once, and predicted at once.
    """
    model, bars = cast("TabularModel", champion(trained_store, name).model), SAMPLE[symbol]
    tried = 0
    for tier in model.tiers:
        if tier.bars > len(bars):
            continue
        matrix, scale = offline(tier, name, bars)
        dates = np.unique(np.linspace(tier.bars - 1, len(bars) - 1, PARITY_DATES).astype(np.int64))
        columns = model.task.columns(tier.estimator.predict(matrix[dates]), scale[dates], tier.head)
        for at, expected in zip(dates.tolist(), model.task.fields(columns, tier.head), strict=True):
            window = bars[at + 1 - tier.bars : at + 1]
            assert tier.vector(window, 1)[0].tobytes() == matrix[at].tobytes(), bars.date
            (found,) = model.answer(window)
            assert (found.tier, found.fields) == (tier.bars, expected)
            tried += 1
    assert tried >= 300


def offline(tier: FittedTier, name: str, bars: Bars) -> tuple[FloatArray, FloatArray]:
    """Return feature rows and forecast volatility of each bar, from the whole history, as training has them.

    Rows that have a label are those of the training panel itself.
    """
    question = question_of(name)
    matrix = compute(bars, tier.features)
    scale = np.ones(len(bars))
    if tier.scale is not None:
        scale[tier.bars - 1 :] = tier.scale.volatility(bars, len(bars) - tier.bars + 1)
    if not np.isnan(question.target.values(bars)).all():
        panel = build({"it": bars}, question, tier.features, tier.bars)
        assert bars.date is not None
        at = np.searchsorted(bars.date, panel.rows.date)
        assert panel.x.tobytes() == np.ascontiguousarray(matrix[at]).tobytes()
        if tier.scale is not None:
            assert np.array_equal(panel.volatility(tier.scale), scale[at])
    return matrix, scale

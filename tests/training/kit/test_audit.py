"""The audit finds what it is there to find: mistakes are made in the kit itself, and each is named."""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from feature_mapper.bars import Bars
from feature_mapper.typing import FloatArray, IntArray
from models.certificate import REQUIRED, Check
from models.regime import WEIGHTS
from models.scale import HarScale
from models.served import load_model
from models.sessions import windows
from models.states import States
from models.tabular import FittedTier
from tests.models.trained import SPECS, artifact_of
from tests.training.kit.support import FAST, closes_alone, markets
from training.kit import audit_null, audit_plants, paths, regime, walk
from training.kit.audit import ORDER
from training.kit.audit_null import Scored, examine, labels_by_lot, no_skill
from training.kit.audit_plants import PLANTS, Plant, planted
from training.kit.audit_serving import parity, window_alone
from training.kit.falsify import later, shuffled
from training.kit.panel import Panel, build, dated, fit_scale, har_widths
from training.kit.questions.registry import QUESTIONS
from training.kit.spec import ModelSpec
from training.kit.splits import Fold

SERIES: Mapping[str, Bars] = markets(700)
SPEC = ModelSpec(family="lightgbm", parameters=FAST, tiers=(1, 22))
HMM = ModelSpec(family="hmm", tiers=(1, 22), options={"states": 2, "starts": 1})
PROPHET = ModelSpec(
    family="prophet",
    tiers=(1, 22),
    options={"prior": 0.05, "history": 260, "step": 150, "teaching": 1, "least": 130},
)


def named(checks: tuple[Check, Check]) -> dict[str, Check]:
    """Return checks by name."""
    return {check.name: check for check in checks}


def caught(check: Check, what: str) -> bool:
    """Tell whether a check failed and names the culprit."""
    return not check.passed and what in check.detail


@pytest.mark.parametrize("task", [*QUESTIONS, "direction_5", "volatility_5"])
def test_an_honest_evaluation_finds_nothing(task: str) -> None:
    """Of any question, and no forecast moves."""
    series = markets(1150) if task == "risk" else SERIES
    checks = named(examine(f"some_{task}", SPEC, series, "quick"))
    assert checks["shuffled_target"].passed, checks
    assert checks["walk_isolation"].passed, checks
    assert checks["shuffled_target"].counts["rows"] > 0


def test_the_full_form_looks_at_every_tier_and_fold() -> None:
    """The quick one at the shortest tier, and at the last of two folds."""
    quick, full = (named(examine("some_return", SPEC, SERIES, form)) for form in ("quick", "full"))
    assert (quick["walk_isolation"].counts, full["walk_isolation"].counts) == (
        {"tiers": 1, "folds": 1},
        {"tiers": 2, "folds": 8},
    )
    assert full["shuffled_target"].passed
    assert full["walk_isolation"].passed


def test_a_forecast_that_knows_its_label_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A third of the outcome in the margin: skill where there is none, and a fold that moves with its own labels."""
    honest = walk.forecast_fold

    def knowing(panel: Panel, fold: Fold, *rest: object) -> walk.FoldForecast:
        part = honest(panel, fold, *rest)  # type: ignore[arg-type]  # the parameters of the function that it stands for
        return replace(part, margin=part.margin + panel.rows.y[fold.test] / part.scale / 3)

    monkeypatch.setattr(audit_null, "forecast_fold", knowing)
    checks = named(examine("some_return", SPEC, SERIES, "quick"))
    assert caught(checks["shuffled_target"], "tier 1")
    assert caught(checks["walk_isolation"], "tier 1, fold 1: margin")


def test_a_yardstick_of_all_rows_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scaler that was fitted on the whole sample gives no skill that a score would show; here it moves bits."""

    def everything(panel: Panel, _train: IntArray) -> HarScale:
        return fit_scale(har_widths(panel.tier), panel.logs, panel.variance_ahead)

    monkeypatch.setattr(Panel, "scale", everything)
    checks = named(examine("some_volatility", SPEC, SERIES, "quick"))
    assert caught(checks["walk_isolation"], "fold 1: yardstick")


def test_a_head_that_knows_its_own_fold_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A calibration learnt on the rows that it is scored on, as most of them are."""
    honest = walk.with_heads

    def knowing(panel: Panel, question: object, level: float, parts: list[walk.FoldForecast]) -> walk.OutOfFold:
        out = honest(panel, question, level, parts)  # type: ignore[arg-type]  # as above
        ours = panel.rows.y[out.at[out.scored]]
        return replace(out, forecast={name: values + 1e-9 * ours.mean() for name, values in out.forecast.items()})

    monkeypatch.setattr(audit_null, "with_heads", knowing)
    checks = named(examine("some_direction", SPEC, SERIES, "quick"))
    assert caught(checks["walk_isolation"], "fold 1: head, probability_up")
    assert checks["shuffled_target"].passed  # a score would not have shown it


def test_a_regime_model_fitted_on_all_days_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The folds test what they were fitted on."""
    assert all(check.passed for check in examine("some_regime", HMM, SERIES, "quick"))
    monkeypatch.setattr(regime, "_known", lambda series, _day: {symbol: len(bars) for symbol, bars in series.items()})
    check = named(examine("some_regime", HMM, SERIES, "quick"))["walk_isolation"]
    assert caught(check, "tier 22")
    assert caught(check, "static_mixture, tier 22")


def test_a_path_fitted_on_all_days_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Origins that fit what they forecast."""
    assert all(check.passed for check in examine("some_forecast", PROPHET, SERIES, "quick"))
    monkeypatch.setattr(paths, "through", lambda bars, _day: len(bars))
    checks = named(examine("some_forecast", PROPHET, SERIES, "quick"))
    assert caught(checks["truncation_invariance"], "error")


@pytest.mark.parametrize("model", SPECS)
def test_what_is_served_is_what_was_trained(model: str) -> None:
    """Windows of every tier, of a tabular model of each question and of a regime model."""
    artifact = artifact_of(model)
    served = load_model(artifact)
    check = parity(served, artifact.files, markets(1000), "quick")
    assert check.passed, check
    assert check.counts["answers"] > 30


def test_features_of_another_moment_in_service_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service computes from bars that end one bar early: skew between training and serving."""
    artifact = artifact_of("lightgbm_direction")
    honest = FittedTier.vector

    def stale(tier: FittedTier, bars: Bars, rows: int) -> FloatArray:
        return honest(tier, bars[:-1] if len(bars) > tier.bars - 1 > 0 else bars, rows)

    monkeypatch.setattr(FittedTier, "vector", stale)
    check = parity(load_model(artifact), artifact.files, markets(1000), "quick")
    assert caught(check, "features")


def test_rows_that_only_training_scales_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The panel is standardised over all of its rows, and the service sends raw features."""
    artifact = artifact_of("lightgbm_direction")

    def scaled(*arguments: Any) -> Panel:
        panel = build(*arguments)
        return replace(panel, x=(panel.x - np.nanmean(panel.x, axis=0)) / np.nanstd(panel.x, axis=0))

    monkeypatch.setattr("training.kit.audit_serving.build", scaled)
    assert caught(parity(load_model(artifact), artifact.files, markets(1000), "quick"), "features")


def test_weights_that_are_not_those_that_serve_are_caught() -> None:
    """Two models of one folder: each answers soundly, and one is not the other."""
    artifact = artifact_of("hmm_regime")
    fitted = States.load(artifact.files[WEIGHTS])
    other = replace(fitted, hmm=replace(fitted.hmm, means=fitted.hmm.means * (1.0 + 1e-6))).dump()
    check = parity(load_model(artifact), {WEIGHTS: other}, markets(1000), "quick")
    assert caught(check, "probabilities")


def test_a_regime_that_remembers_more_than_its_window_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """It adds a trace of the first bar that it was ever given."""
    served = load_model(artifact_of("hmm_regime"))
    assert window_alone(served, SERIES, "quick").passed
    kind = type(served)
    honest = kind._fields  # type: ignore[attr-defined]  # of a regime model
    first: list[float] = []

    def noting(bars: Bars, tier: int, rows: int) -> FloatArray:
        first[:] = [float(bars.close[0])]
        return windows(bars, tier, rows)

    def remembering(model: object, posterior: FloatArray) -> list[dict[str, object]]:
        told: list[dict[str, object]] = honest(model, posterior)
        return [{**fields, "confidence": float(str(fields["confidence"])) + 1e-12 * first[0]} for fields in told]

    monkeypatch.setattr("models.regime.windows", noting)
    monkeypatch.setattr(kind, "_fields", remembering)
    assert not window_alone(served, SERIES, "quick").passed


def test_every_plant_is_found() -> None:
    """By the check that is to find it; all of what the audit must find is among them."""
    check = planted(SERIES)
    assert check.passed
    assert check.counts == {"planted": len(PLANTS), "found": len(PLANTS), "series": 2}
    assert {plant.check for plant in PLANTS} >= {*REQUIRED} - {"planted_leaks"}
    assert {*REQUIRED} <= {*ORDER}


def test_plants_are_found_in_closes_alone_too() -> None:
    """An audit of any model looks for all of them, whatever the bars."""
    names = list(SERIES)
    for part in (names[:1], names):
        bare = {name: closes_alone(bars, slice(None)) if name in part else bars for name, bars in SERIES.items()}
        assert planted(bare).passed


@pytest.mark.parametrize("blind", ["apart", "no_skill", "prefixes", "purge"])
def test_an_audit_that_has_gone_blind_certifies_nothing(monkeypatch: pytest.MonkeyPatch, blind: str) -> None:
    """Each of its eyes shut in turn: what it no longer finds is named."""
    says: Callable[..., object] = (lambda *_: False) if blind == "apart" else (lambda *_: Check("any", True, ""))  # noqa: FBT003  the fields of a record, in order
    monkeypatch.setattr(audit_plants, blind, says)
    check = planted(SERIES)
    assert not check.passed
    assert check.counts["found"] == len(PLANTS) - 1
    assert "not found by" in check.detail


def test_a_plant_that_is_not_found_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the check that missed it."""
    monkeypatch.setattr(audit_plants, "PLANTS", (Plant("moon_phase", "lookback_true", lambda _: False),))
    assert caught(planted(SERIES), "moon_phase (not found by lookback_true)")


def test_false_alarms_are_as_rare_as_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 2,000 forecasts of heavy-tailed noise by noise, at a level that can be counted: no more than chance allows."""
    level, trials = 0.05, 2000
    monkeypatch.setattr(audit_null, "ALARM", level)
    rng = np.random.default_rng(11)
    days = np.repeat(np.arange("2004-01-01", "2005-01-01", dtype="datetime64[D]"), 2)
    alarms = 0
    for _ in range(trials):
        y, said = rng.standard_t(4, len(days)), 0.05 * rng.normal(size=len(days))
        alarms += not no_skill([Scored("x", np.square(y - said), np.square(y), days, relative=True)], "").passed
    assert alarms <= binom.ppf(0.999, trials, level)


@given(seed=st.integers(0, 999), tiers=st.integers(1, 4))
@settings(max_examples=20)
def test_a_skill_of_a_fifth_is_always_noticed(seed: int, tiers: int) -> None:
    """On two years of two symbols, in whichever tier it hides."""
    rng = np.random.default_rng(seed)
    days = np.repeat(np.arange("2004-01-01", "2006-01-01", dtype="datetime64[D]"), 2)
    y = rng.normal(size=(tiers, len(days)))
    parts = [Scored(f"tier {n}", np.square(row), np.square(row), days, relative=True) for n, row in enumerate(y)]
    parts[-1] = replace(parts[-1], own=0.8 * parts[-1].rival)
    assert caught(no_skill(parts, ""), f"tier {tiers - 1}")


def test_labels_by_lot_keep_what_is_known() -> None:
    """The same labels in another order; variances keep their symbol's level and lose what came relative to it."""
    for task in ("direction", "volatility"):
        question = QUESTIONS[task]
        panel = build(SERIES, question, SPEC.features_of(22), 22)
        lots = labels_by_lot(panel, question)
        level = np.square(panel.volatility(panel.scale(np.arange(len(panel.rows))))) if task == "volatility" else 1.0
        assert np.allclose(np.sort(lots.rows.y / level), np.sort(panel.rows.y / level), rtol=1e-12)
        assert abs(np.corrcoef(lots.rows.y / level, panel.rows.y / level)[0, 1]) < 0.1
        assert lots.x is panel.x


def test_a_shuffled_market_has_the_same_sessions_and_no_drift() -> None:
    """Valid bars of the same days whose moves, but for their sign, are those of all symbols."""
    markets_of = shuffled(SERIES, 5)
    moves, before = (
        np.sort(np.abs(np.concatenate([np.diff(np.log(bars.close)) for bars in of.values()])))
        for of in (markets_of, SERIES)
    )
    assert np.allclose(moves, before, rtol=1e-6, atol=1e-9)
    assert all(np.array_equal(dated(one), dated(SERIES[name])) for name, one in markets_of.items())
    ups = np.concatenate([np.diff(bars.close) > 0 for bars in markets_of.values()])
    assert binom.cdf(ups.sum(), len(ups), 0.5) > 1e-4
    assert binom.sf(ups.sum(), len(ups), 0.5) > 1e-4


@given(cut=st.integers(1, 699))
@settings(max_examples=20)
def test_falsified_bars_are_bars(cut: int) -> None:
    """Valid, ascending, other from the cut on and the same before it."""
    bars = SERIES["S0"]
    other = later(bars, cut)
    columns = dict(other.columns())
    assert other.date is not None
    Bars.validated(**columns, date=other.date)  # type: ignore[arg-type]  # the columns of bars
    assert other[:cut].identical(bars[:cut])
    assert all(one != two for one, two in itertools.islice(zip(other.close[cut:], bars.close[cut:], strict=True), 5))

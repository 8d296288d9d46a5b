"""Served models on feature rows: many rows at once are single answers, and nothing later or older matters."""

import functools
import math
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_mapper.catalogue import select
from feature_mapper.errors import FeatureMismatch
from feature_mapper.mapper import compute
from feature_mapper.typing import FloatArray
from models import strict_json
from models.answer import RowAnswer
from models.families.base import Unexplained
from models.store import Artifact
from models.tabular import TabularModel
from models.tasks.registry import task_of
from models.typing import Json
from tests.models.trained import STRANGER, TABULAR, TIERS, artifact_of, bare, quiet

every_model = pytest.mark.parametrize("name", TABULAR)
borders = st.one_of(
    st.sampled_from([n for tier in TIERS for n in (tier, tier + 1, max(tier - 1, 1))]), st.integers(1, 90)
)
"""Lengths of histories, most of them where one tier hands over to the next."""


@functools.cache
def model_of(name: str) -> TabularModel:
    """Load a model from its artifact, once a test process: nothing that is asked changes it."""
    return TabularModel.from_artifact(artifact_of(name))


@every_model
@settings(max_examples=15)
@given(n=borders, rows=st.sampled_from([1, 2, 5, 23, 90]), offset=st.integers(0, 100))
def test_many_rows_are_single_answers(name: str, n: int, rows: int, offset: int) -> None:
    """As of each of the last rows: what the bars up to there alone give, bit for bit, whichever tiers they span."""
    model, bars, asked = model_of(name), STRANGER[offset : offset + n], min(rows, n)
    singles = [model.answer(bars[: end + 1])[0] for end in range(n - asked, n)]
    assert model.answer(bars, asked) == singles


@every_model
@settings(max_examples=15)
@given(n=borders, more=st.integers(1, 40))
def test_later_bars_change_no_earlier_answer(name: str, n: int, more: int) -> None:
    """The answers as of the first n bars stand, whatever comes after."""
    model = model_of(name)
    before = model.answer(STRANGER[:n], n)
    assert model.answer(STRANGER[: n + more], n + more)[:n] == before


@every_model
@pytest.mark.parametrize("tier", TIERS)
def test_older_bars_than_the_tier_do_not_matter(name: str, tier: int) -> None:
    """Up to the next tier, a longer history gives the bits of the window alone."""
    model = model_of(name)
    following = next((longer for longer in TIERS if longer > tier), tier + 40)
    for extra in (0, 1, following - tier - 1):
        (answer,) = model.answer(STRANGER.tail(tier + extra))
        assert answer == model.answer(STRANGER.tail(tier))[0]
        assert answer.tier == tier


@every_model
@given(n=borders)
@settings(max_examples=15)
def test_vector_is_that_of_the_mapper(name: str, n: int) -> None:
    """The features of the tier's manifest, in its order, to the bit; no wider than what the estimator was fitted on."""
    model, bars = model_of(name), STRANGER[:n]
    tier, (manifest,) = model.tier_for(n), [t for t in model.manifest.tiers if t.tier == model.tier_for(n).bars]
    assert tier.bars == max(t for t in TIERS if t <= n)
    assert [feature.name for feature in tier.features] == [entry.name for entry in manifest.features]
    assert np.array_equal(tier.vector(bars, 1), compute(bars, tier.features)[-1:], equal_nan=True)
    assert tier.vector(bars, 1).shape == (1, len(manifest.features))


@every_model
@pytest.mark.parametrize("n", [1, 2, 21, 22, 70])
def test_bars_without_volume_and_dates_are_answered(name: str, n: int) -> None:
    """Also those of a market that stands still: finite numbers that JSON can hold."""
    model = model_of(name)
    for bars in (bare(STRANGER[:n]), quiet(n)):
        (answer,) = model.answer(bars)
        strict_json.encode(answer.fields)
        assert numbers(answer), "an answer without a number says nothing"


def test_kept_features_are_all_that_is_computed() -> None:
    """A model that keeps six features is asked for six, in every tier."""
    model = model_of("lightgbm_direction")
    assert [len(tier.features) for tier in model.tiers] == [len(tier.features) for tier in model.manifest.tiers]
    assert max(len(tier.features) for tier in model.tiers) <= 6
    metrics = [score.metric for score in model.manifest.tiers[-1].scores]
    assert {"log_loss_skill", "log_loss_skill_all_features"} <= set(metrics)


def test_more_rows_than_bars_are_refused() -> None:
    """Rather than answered for bars that are not there."""
    model = model_of("lightgbm_direction")
    for rows in (0, 6):
        with pytest.raises(ValueError, match=f"rows from 1 to 5 .* found {rows}"):
            model.answer(STRANGER[:5], rows)


def test_redefined_features_are_refused() -> None:
    """An artifact whose feature means something else here does not load."""
    artifact = artifact_of("lightgbm_direction")
    *rest, tier = artifact.manifest.tiers
    feature = msgspec.structs.replace(tier.features[0], formula="something else")
    changed = msgspec.structs.replace(tier, features=(feature, *tier.features[1:]))
    manifest = msgspec.structs.replace(artifact.manifest, tiers=(*rest, changed))
    with pytest.raises(FeatureMismatch, match=feature.name):
        TabularModel.from_artifact(replace(artifact, manifest=manifest))


def test_weights_of_another_width_do_not_answer() -> None:
    """Weights and manifest that do not belong together fail at the first answer, which is a golden one."""
    artifact = artifact_of("lightgbm_direction")
    *rest, tier = artifact.manifest.tiers
    fewer = msgspec.structs.replace(tier, features=tier.features[1:], ranges=None)
    manifest = msgspec.structs.replace(artifact.manifest, tiers=(*rest, fewer))
    model = TabularModel.from_artifact(Artifact(manifest=manifest, files=artifact.files))
    with pytest.raises(ValueError, match="use the artifact's manifest"):
        model.answer(STRANGER)


@every_model
@settings(max_examples=25)
@given(n=borders, offset=st.integers(0, 100))
def test_contributions_add_up_to_the_margin(name: str, n: int, offset: int) -> None:
    """Base, what is named and the rest: the margin within 1e-9, and what the answer is made of, by its own formula."""
    model, bars = model_of(name), STRANGER[offset : offset + n]
    said: Any = model.explain(bars)
    strict_json.encode(said)
    tier = model.tier_for(n)
    margin = tier.estimator.predict(tier.vector(bars, 1)).reshape(-1)
    assert said["margin"] in margin.tolist()
    named = said["contributions"]
    total = said["base"] + sum(each["contribution"] for each in named) + said["rest"]["contribution"]
    assert total == pytest.approx(said["margin"], abs=1e-9)
    sizes = [abs(each["contribution"]) for each in named]
    assert sizes == sorted(sizes, reverse=True)
    assert len(named) + said["rest"]["features"] == len(tier.features)
    values = dict(zip((feature.name for feature in tier.features), tier.vector(bars, 1)[0].tolist(), strict=True))
    for each in named:
        (feature,) = select([each["feature"]])
        assert (each["meaning"], each["unit"]) == (feature.formula, feature.unit)
        assert each["value"] == pytest.approx(values[feature.name], nan_ok=True) or math.isnan(values[feature.name])
    fields: Any = model.answer(bars)[0].fields
    if name.endswith("_risk"):
        assert said["effect_unit"] is said["effect_base"] is said["effect_total"] is None
        assert said["unit"].startswith(f"probability of {fields['risk']}")
        assert said["margin"] == margin[fields["code"]]
        return
    effects = said["effect_base"] + sum(each["effect"] for each in named) + said["rest"]["effect"]
    assert effects == pytest.approx(said["effect_total"], abs=1e-9)
    assert said["effect_total"] == pytest.approx(answered(task_of(name).identity.name, fields), abs=1e-9)


def answered(task: str, fields: Any) -> float:
    """Return what an answer says in the unit that effects have."""
    match task:
        case "return":
            return float(fields["expected_return"])
        case "direction":
            return math.log(fields["probability_up"] / (1 - fields["probability_up"]))
        case _:
            return math.log(fields["volatility"])


@every_model
@settings(max_examples=10)
@given(n=borders)
def test_neither_older_nor_later_bars_change_an_explanation(name: str, n: int) -> None:
    """It reads what the answer reads: the bars of the tier up to the last one."""
    model = model_of(name)
    tier = model.tier_for(n).bars
    assert model.explain(STRANGER[:n]) == model.explain(STRANGER[n - tier : n])


def test_a_family_without_contributions_says_so() -> None:
    """It answers as ever."""

    class Mute:
        """An estimator that another family might bring."""

        def predict(self, x: FloatArray) -> FloatArray:
            """Say 1."""
            return np.ones(len(x))

        def dump(self) -> bytes:
            """Return no weights."""
            return b""

        def importance(self) -> FloatArray:
            """Return no importance."""
            return np.zeros(0)

    model = model_of("lightgbm_direction")
    mute = TabularModel(model.manifest, model.task, tuple(replace(tier, estimator=Mute()) for tier in model.tiers))
    assert mute.answer(STRANGER)
    with pytest.raises(Unexplained, match="found Mute"):
        mute.explain(STRANGER)


def numbers(answer: RowAnswer) -> list[float]:
    """Return all numbers of an answer."""

    def of(value: Json) -> list[float]:
        if isinstance(value, dict):
            return [number for part in value.values() for number in of(part)]
        return [value] if isinstance(value, float) else []

    return of(answer.fields)

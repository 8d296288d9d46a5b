"""Cross-validation and evaluation: the figures are those that an artifact of the same configuration keeps."""

import io
from pathlib import Path

import msgspec
import numpy as np
import pytest

from models.errors import ArtifactMissing, ArtifactUnsound
from models.store import ArtifactStore
from tests.training.kit.support import FAST, markets
from training.kit.compose import resolve, vary
from training.kit.config import Experiment
from training.kit.cv import Validation, cross_validate
from training.kit.losses import LOSSES_NAME, Losses
from training.kit.panel import build
from training.kit.progress import Progress
from training.kit.published import evaluate
from training.kit.questions.registry import QUESTIONS
from training.kit.ritual import run
from training.kit.splits import PurgedWalkForward

MODEL = "lightgbm_volatility"
SERIES = markets(700)


def experiment(folds: int = 3, model: str = MODEL) -> Experiment:
    """Return one that trains in a second."""
    small = resolve(model, None, [f"splits.folds={folds}", "tiers=[1,22]", "keep=6"])
    return vary(small, {f"parameters.{name}": value for name, value in FAST.items()}, "test")


def validated(one: Experiment) -> Validation:
    """Cross-validate in silence."""
    return cross_validate(one, SERIES, Progress(one.model, 0, stream=io.StringIO()))


def test_its_losses_are_those_of_a_training(tmp_path: Path) -> None:
    """Pooled over folds, to the row; and evaluation of the published version tells the same mean losses and skill."""
    one = experiment()
    found = validated(one)
    store = ArtifactStore(tmp_path)
    manifest = run(MODEL, one.spec, SERIES, store, config=one.config.as_json(), lineage=one.lineage)
    kept = Losses.load(store.read(MODEL, manifest.version).files[LOSSES_NAME])
    told = evaluate(store, MODEL, manifest.version)
    for tier, losses, evaluated in zip(found.tiers, kept.tiers, told.tiers, strict=True):
        n = [fold.n for fold in tier.folds]
        assert sum(n) == len(losses.model) == evaluated.n
        pooled = np.average([fold.loss for fold in tier.folds], weights=n)
        naive = np.average([fold.naive for fold in tier.folds], weights=n)
        assert evaluated.loss == pytest.approx(pooled, rel=1e-6)  # losses are kept in float32
        assert 1 - pooled / naive == pytest.approx(evaluated.scores[0].value, abs=1e-6)
        assert (tier.metric, tier.baseline) == (losses.metric, losses.baseline)
        assert isinstance(evaluated.years, dict)
        assert isinstance(evaluated.symbols, dict)
        assert set(evaluated.symbols) == set(SERIES)
        assert sum(part["n"] for part in evaluated.years.values()) == evaluated.n
    assert f"{MODEL} {manifest.version}" in told.table()
    assert msgspec.json.decode(msgspec.json.encode(told.as_json())) == told.as_json()


def test_mean_and_deviation_are_over_folds() -> None:
    """Each fold once, by the sample; a table and JSON say the same. Folds follow each other without a common day."""
    found = validated(experiment(folds=4))
    for tier in found.tiers:
        assert [fold.fold for fold in tier.folds] == [1, 2, 3]
        skills = [fold.skill for fold in tier.folds]
        assert tier.skill.mean == pytest.approx(sum(skills) / 3)
        assert tier.skill.std == pytest.approx(np.std(skills, ddof=1))
        assert all(fold.skill == pytest.approx(1 - fold.loss / fold.naive) for fold in tier.folds)
        assert all(one.last < other.first for one, other in zip(tier.folds, tier.folds[1:], strict=False))
        assert f"{tier.skill.mean:+.4f}" in found.table()
    assert msgspec.convert(found.as_json(), Validation) == found
    assert found.config["splits"] == {"folds": 4, "warm_up": 0.4, "embargo": 5}


def test_one_scored_fold_has_no_deviation() -> None:
    """Nothing is known of a spread then, and nothing is said."""
    found = validated(experiment(folds=2))
    assert {tier.skill.std for tier in found.tiers} == {None}
    assert "sd" not in found.table()


def test_splits_of_the_configuration_are_those_of_the_walk() -> None:
    """Folds are those that the splitter makes of the panel's days, less the first, which teaches heads."""
    one = vary(experiment(), {"splits.warm_up": 0.6, "splits.embargo": 9}, "test")
    question = QUESTIONS["volatility"]
    for tier in validated(one).tiers:
        rows = build(SERIES, question, one.spec.features_of(tier.tier), tier.tier).rows
        folds = [
            (str(fold.first), str(fold.last)) for fold in PurgedWalkForward(3, 0.6, 9).split(rows.date, rows.label_end)
        ]
        assert [(fold.first, fold.last) for fold in tier.folds] == folds[1:]


@pytest.mark.slow
def test_other_trainers_walk_their_own_way() -> None:
    """A regime model's scored days are cut into so many blocks."""
    one = resolve("hmm_regime", None, ["options.states=2", "options.starts=1", "tiers=[1,22]", "splits.folds=3"])
    found = validated(one)
    assert [[fold.fold for fold in tier.folds] for tier in found.tiers] == [[0, 1, 2]] * 2
    assert {tier.metric for tier in found.tiers} == {"log_density_gain"}
    assert all(fold.skill == pytest.approx(fold.naive - fold.loss) for tier in found.tiers for fold in tier.folds)


def test_what_keeps_no_losses_is_refused(tmp_path: Path) -> None:
    """Named, with what to do; so is a model that was never published."""
    from tests.models.store import toys

    store = toys.stocked(tmp_path, 1)
    with pytest.raises(ArtifactUnsound, match="train it again"):
        evaluate(store, toys.MODEL, "v000001")
    with pytest.raises(ArtifactMissing):
        evaluate(store, "lightgbm_return")

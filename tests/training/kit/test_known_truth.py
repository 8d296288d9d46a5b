"""Evaluation on markets whose truth is known: it finds what is there, nothing in noise, and never beats the truth."""

import functools
import io
from dataclasses import dataclass, replace

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from data.sources.known_truth import NOISE, Garch, KnownTruth, Market, Regimes, Signal, generate
from feature_mapper.bars import Bars
from feature_mapper.typing import FloatArray
from models.families.hmm import log_densities
from models.manifest import Score, without_figures
from models.regime import RegimeModel
from models.sessions import observations
from models.store import Artifact
from models.tasks.base import Columns
from tests.training.kit.support import FAST, walk
from training.kit.evaluation import scores
from training.kit.outcome import Outcome
from training.kit.panel import Panel, build, dated
from training.kit.progress import Progress
from training.kit.questions.registry import QUESTIONS
from training.kit.regime import train
from training.kit.ritual import draft_of
from training.kit.scores import skill
from training.kit.spec import ModelSpec
from training.kit.walk import OutOfFold, scored_rows

SYMBOLS = ("A", "B", "C", "D")
SESSIONS = 1500
SPEC = ModelSpec(family="lightgbm", parameters=FAST)
PLANTED = KnownTruth(garch=Garch(), signal=Signal(0.2), degrees=6)
CLUSTERED = KnownTruth(garch=Garch(alpha=0.1, beta=0.88), degrees=8)


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class Judged:
    """A model walked forward over a market, and what the truth would have scored on the same rows."""

    naive: Score
    scores: dict[str, Score]
    against_truth: Score
    truth: Score


@functools.cache
def judged(law: KnownTruth, name: str, tier: int, seed: int) -> Judged:
    """Train a small model out of fold and score it, and the truth, on the rows that are scored."""
    question = QUESTIONS[name]
    market = generate(law, seed=seed, sessions=SESSIONS, symbols=SYMBOLS)
    panel = build(market.bars, question, SPEC.features_of(tier), tier)
    out = walk(panel, question, SPEC)
    found = scores(panel, out, question)
    rows = scored_rows(panel, out)
    baseline = found[0].baseline
    own = question.loss(out.forecast, rows.y)
    best = question.loss(truth_of(market, panel, out), rows.y)
    naive = question.loss(out.rivals[baseline], rows.y)
    return Judged(
        naive=found[0],
        scores={score.baseline: score for score in found},
        against_truth=skill(question.metric, own, best, rows.date, against="truth"),
        truth=skill(question.metric, best, naive, rows.date, against=baseline),
    )


def truth_of(market: Market, panel: Panel, out: OutOfFold) -> Columns:
    """Return the best forecast that anybody could make of each scored row: the truth of the session after it."""
    rows = scored_rows(panel, out)
    ahead = np.zeros(len(rows), dtype=np.int64)
    columns = {name: np.zeros(len(rows)) for name in ("probability_up", "expected_return", "variance")}
    for number, (symbol, bars) in enumerate(market.bars.items()):
        mine = rows.symbol == number
        ahead[mine] = np.searchsorted(dated(bars), rows.date[mine]) + 1
        for name, values in columns.items():
            values[mine] = getattr(market.truth[symbol], name)[ahead[mine]]
    return {**columns, "volatility": np.sqrt(columns["variance"] + columns["expected_return"] ** 2)}


def low(score: Score) -> float:
    """Return the lower end of the interval."""
    assert score.ci95 is not None
    return score.ci95[0]


@pytest.mark.parametrize("tier", [1, 22])
@pytest.mark.parametrize("name", ["direction", "return"])
def test_planted_signal_is_found(name: str, tier: int) -> None:
    """Skill with an interval above 0, at least half of what the truth itself scores, which it never beats."""
    result = judged(PLANTED, name, tier, 1)
    assert low(result.naive) > 0
    assert result.naive.verdict == "better than naive"
    assert 0.5 * result.truth.value < result.naive.value
    assert low(result.against_truth) < 0


def test_ceiling_of_skill_is_that_of_theory() -> None:
    """A correlation of 0.2 explains 4 % of the squared return: what the truth scores, within its interval."""
    result = judged(PLANTED, "return", 1, 1)
    assert result.truth.ci95 is not None
    assert result.truth.ci95[0] < 0.2**2 < result.truth.ci95[1]


@pytest.mark.parametrize("name", ["direction", "return"])
def test_noise_has_no_skill(name: str) -> None:
    """No measurable skill, and the truth has none either."""
    result = judged(NOISE, name, 22, 1)
    assert result.naive.verdict == "no measurable skill"
    assert result.truth.value < 0.001


@pytest.mark.long
@pytest.mark.parametrize("name", ["direction", "return"])
def test_noise_is_hardly_ever_called_skill(name: str) -> None:
    """An interval of 95 % lies above 0 in one of 40 markets of noise, so in at most one of these ten."""
    verdicts = [judged(NOISE, name, 22, seed).naive.verdict for seed in range(10)]
    assert verdicts.count("better than naive") <= 1


def test_clustered_variance_is_found() -> None:
    """Better than the rolling mean and the EWMA, by QLIKE, and not better than the truth."""
    result = judged(CLUSTERED, "volatility", 22, 1)
    assert low(result.scores["rolling_mean"]) > 0
    assert low(result.scores["ewma"]) > 0
    assert low(result.scores["long_run"]) > 0
    assert result.naive.value == min(score.value for score in result.scores.values())
    assert low(result.against_truth) < 0
    assert result.naive.value < result.truth.value


def test_constant_variance_leaves_nothing_beyond_the_truth() -> None:
    """Every window is a noisy estimate of a constant, which a model that has seen years of it beats.

    The truth, not; nor the mean of all sessions so far, which is the rival that it is quoted against.
    """
    result = judged(NOISE, "volatility", 22, 1)
    assert result.scores["har"].verdict == result.scores["rolling_mean"].verdict == "better than naive"
    assert result.naive.baseline == "long_run"
    assert result.naive.verdict != "better than naive"
    assert result.against_truth.verdict != "better than naive"
    assert abs(result.naive.value - result.truth.value) < 0.02


SEPARATED = Regimes(multiples=(0.6, 2.0), drifts=(0.001, -0.002))
OVERLAPPING = Regimes(multiples=(0.8, 1.4), drifts=(0.001, -0.002))
MARGIN = 0.05
"""How much less than the filter that knows the truth a fitted one may agree with the path."""


@functools.cache
def regimes(law: KnownTruth, seed: int, weight: float = 30.0) -> tuple[Outcome, RegimeModel]:
    """Train a model of two states on two symbols; return it as it is served."""
    spec = ModelSpec(family="hmm", tiers=(1, 22, 253), options={"states": 2, "starts": 1, "weight": weight})
    market = generate(law, seed=seed, sessions=1000, symbols=SYMBOLS[:2])
    outcome = train("hmm_regime", spec, market.bars, Progress("test", 0, stream=io.StringIO()))
    verdict = without_figures(promoted=True, reason="a test")
    draft = draft_of("hmm_regime", "regime", spec, market.bars, outcome, verdict)
    return outcome, RegimeModel.from_artifact(Artifact(draft.published("v000001", ()), dict(outcome.weights)))


def oracle(law: KnownTruth, seen: FloatArray, seed: int) -> list[int]:
    """Filter with the true chain and with the Gaussians of the true states, in plain words of Rabiner (1989)."""
    assert law.regimes is not None
    other = generate(law, seed=seed, sessions=6000, symbols=["ORACLE"])
    labelled, path = observations(other.bars["ORACLE"])[1:], other.truth["ORACLE"].regime[1:]
    states = [labelled[path == state] for state in range(2)]
    means, covariances = np.stack([s.mean(axis=0) for s in states]), np.stack([np.cov(s.T) for s in states])
    density = np.exp(log_densities(seen, means, covariances).T)
    belief, result = law.regimes.stationary(), []
    for likely in density:
        joint = belief * likely
        posterior = joint / joint.sum()
        result.append(int(posterior.argmax()))
        belief = posterior @ np.array(law.regimes.transitions)
    return result


@pytest.mark.parametrize(("chain", "least", "seed"), [(SEPARATED, 0.9, 1), (SEPARATED, 0.9, 2), (OVERLAPPING, 0.5, 1)])
def test_regimes_are_recovered(chain: Regimes, least: float, seed: int) -> None:
    """On a symbol never seen, as well as by the filter that knows the law, by the adjusted Rand index.

    It is 1 for the true path under any names of the states, and 0 for chance.
    """
    law = KnownTruth(regimes=chain)
    outcome, model = regimes(law, seed)
    assert outcome.tiers[-1].scores[0].baseline == "static_mixture"
    assert outcome.tiers[-1].scores[0].verdict == "better than naive"
    fitted, knowing = agreement(law, model, seed, 1.0)
    assert knowing > least
    assert fitted > knowing - MARGIN


@pytest.mark.parametrize("chain", [SEPARATED, OVERLAPPING])
def test_a_symbol_three_times_as_wild_has_regimes_too(chain: Regimes) -> None:
    """A year of it tells its habit nearly well enough; judged by the habit of others it would never be calm."""
    law = KnownTruth(regimes=chain)
    fitted, knowing = agreement(law, regimes(law, 1)[1], 1, 3.0)
    assert fitted > knowing - 2 * MARGIN
    deaf, _ = agreement(law, regimes(law, 1, weight=1e6)[1], 1, 3.0)
    assert deaf < 0.5 * fitted


def agreement(law: KnownTruth, model: RegimeModel, seed: int, size: float) -> tuple[float, float]:
    """Return how well a model and the filter that knows the law agree with the path of a stranger."""
    stranger = generate(law, seed=seed, sessions=1653, symbols=["STRANGER"])
    bars, path = stranger.bars["STRANGER"], stranger.truth["STRANGER"].regime[-1400:]
    answers = [str(answer.fields["regime"]) for answer in model.answer(wilder(bars, size), rows=1400)]
    knowing = oracle(law, observations(bars)[1:], seed)[-1400:]
    return adjusted_rand_score(path, answers), adjusted_rand_score(path, knowing)


def wilder(bars: Bars, size: float) -> Bars:
    """Return a market whose log moves are ``size`` times as large."""
    prices = {name: 100.0 * (getattr(bars, name) / 100.0) ** size for name in ("open", "high", "low", "close")}
    return replace(bars, **prices)


@pytest.mark.slow
def test_a_single_regime_is_not_taken_for_two() -> None:
    """On noise the chain predicts no better than its states in their shares, without order."""
    outcome, _ = regimes(NOISE, 1)
    for tier in outcome.tiers:
        assert tier.scores[0].baseline == "static_mixture"
        assert tier.scores[0].verdict != "better than naive"

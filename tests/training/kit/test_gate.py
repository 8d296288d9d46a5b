"""The gate: who may serve, and why not. Its error rates are measured by `python -m tests.figures gate`."""

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import StoreUnreadable
from models.manifest import GateVerdict, LeakCheck
from models.store import ArtifactStore
from tests.models.store import toys
from tests.support.certificates import certified
from training.kit import scores
from training.kit.discover import model_names
from training.kit.gate import LEVEL, Candidate, headline, judge, of_artifact, paired
from training.kit.losses import LOSSES_NAME, Losses, TierLosses
from training.kit.scores import LEAST_DAYS

BARRED = LeakCheck(name="truncation_invariance", passed=False, detail="fails for moon_phase")
DAYS: Final = 800
ROWS: Final = ("symbol", "date", "outcome", "model", "naive")
LAST = toys.draft().last_date


def losses(gain: float, *, seed: int = 1, tiers: tuple[int, ...] = (1, 22), days: int = DAYS, start: int = 0) -> Losses:
    """Return losses that are better than the baseline's by a share ``gain``, with some noise of their own."""
    rng = np.random.default_rng(seed)
    date = np.datetime64("2010-01-04") + np.arange(start, start + days)
    luck = np.random.default_rng(99).lognormal(0, 0.5, start + days)[start:]  # what any forecast of these days suffers
    symbol = np.repeat(np.arange(2), days)
    naive = np.concatenate((luck, luck[::-1]))
    parts = [
        TierLosses(
            tier=tier,
            metric="log_loss_skill",
            baseline="base_rate",
            relative=True,
            symbol=symbol,
            date=np.tile(date, 2),
            outcome=np.tile(np.sin(np.arange(start, start + days)), 2),
            model=naive * (1 - gain) * rng.lognormal(0, 0.02, 2 * days),
            naive=naive,
        )
        for tier in tiers
    ]
    return Losses(("AAA", "BBB"), tuple(parts))


def candidate(gain: float, known: Losses | None = None) -> Candidate:
    """Return a candidate for the toys' target, its losses as an artifact would hold them."""
    draft = toys.draft()
    kept = Losses.load((losses(gain) if known is None else known).dump())
    return Candidate("candidate", draft.checks, draft.target, kept, LAST)


def champion(root: Path, known: Losses | None, last: dt.date = LAST) -> ArtifactStore:
    """Return a store in which a version with these losses serves."""
    store = ArtifactStore(root)
    files = toys.files("1") | ({} if known is None else {LOSSES_NAME: known.dump()})
    draft = msgspec.structs.replace(toys.draft(), last_date=last)
    store.promote(toys.MODEL, store.publish(draft, certified(draft, files), why="test").version, why="test")
    return store


def judged(candidate: Candidate, store: ArtifactStore) -> GateVerdict:
    """Judge a candidate of the toys' model."""
    return judge(candidate, toys.MODEL, store)


def test_first_sound_version_serves_and_is_called_what_it_is(tmp_path: Path) -> None:
    """Also where the champion is quarantined: an honest answer without skill is worth more than none."""
    store = ArtifactStore(tmp_path)
    skilled, unskilled = judged(candidate(0.1), store), judged(candidate(0.0), store)
    assert (skilled.promoted, skilled.label) == (True, "better than naive")
    assert (unskilled.promoted, unskilled.label) == (True, "no measurable skill")
    assert "first sound version, no measurable skill: tier 22" in unskilled.reason
    assert unskilled.champion is None
    stocked = toys.stocked(tmp_path, 1)
    stocked.quarantine(toys.MODEL, "v000001", why="test")
    assert judged(candidate(0.0), stocked).promoted


def test_what_is_worse_than_naive_does_not_serve_even_alone(tmp_path: Path) -> None:
    """A rule of thumb does its work better."""
    verdict = judged(candidate(-0.02), ArtifactStore(tmp_path))
    assert not verdict.promoted
    assert verdict.reason.startswith("worse than its naive baseline by more than 0.01: tier ")
    assert judged(candidate(-0.005), ArtifactStore(tmp_path)).promoted


def test_failed_leak_check_bars_even_the_first(tmp_path: Path) -> None:
    """By its name."""
    verdict = judged(replace(candidate(0.9), checks=(BARRED,)), ArtifactStore(tmp_path))
    assert not verdict.promoted
    assert verdict.reason == "leak checks failed: truncation_invariance"


@pytest.mark.parametrize(
    ("gain", "promoted", "words"),
    [
        (0.10, True, "better than v000001: tier "),
        (0.05, True, "not worse than v000001: tier "),
        (0.00, False, "worse than v000001: tier "),
    ],
)
def test_candidate_is_compared_with_the_champion(tmp_path: Path, gain: float, promoted: bool, words: str) -> None:  # noqa: FBT001  a parameter of the test
    """On the rows that both forecast; the champion gains 5 % on the baseline."""
    verdict = judged(candidate(gain), champion(tmp_path, losses(0.05, seed=2)))
    assert verdict.promoted is promoted
    assert verdict.reason.startswith(words)
    assert verdict.champion == "v000001"
    rivals = [comparison.rival for comparison in verdict.comparisons]
    assert rivals == ["base_rate", "base_rate", "v000001", "v000001"]
    assert all(comparison.n == 2 * DAYS for comparison in verdict.comparisons)


def test_one_worse_tier_is_enough(tmp_path: Path) -> None:
    """Whoever has a short history must not lose by what others gain."""
    better, worse = losses(0.2), losses(0.0)
    mixed = Losses(better.symbols, (worse.tiers[0], better.tiers[1]))
    verdict = judged(candidate(0.2, mixed), champion(tmp_path, losses(0.1)))
    assert not verdict.promoted
    assert "worse than v000001: tier 1," in verdict.reason


def test_identical_candidate_is_the_same_and_never_better(tmp_path: Path) -> None:
    """It replaces nobody, unless it knows later days."""
    store = champion(tmp_path, losses(0.05))
    verdict = judged(candidate(0.05), store)
    assert not verdict.promoted
    assert verdict.reason == "the same as v000001 on all 1,600 rows, and knows no later day"
    assert {comparison.verdict for comparison in verdict.comparisons[2:]} == {"the same"}
    newer = judged(replace(candidate(0.05), last=LAST + dt.timedelta(days=30)), store)
    assert newer.promoted
    assert newer.reason.startswith("not worse than v000001")


def test_a_fragment_does_not_replace_a_whole(tmp_path: Path) -> None:
    """However good it is at what it does forecast."""
    store = champion(tmp_path, losses(0.0))
    verdict = judged(candidate(0.2, losses(0.2, tiers=(1,))), store)
    assert (verdict.promoted, "found no tier 22" in verdict.reason) == (False, True)
    whole = losses(0.2)
    alone = Losses(
        ("AAA",), tuple(replace(tier, **{name: getattr(tier, name)[:DAYS] for name in ROWS}) for tier in whole.tiers)
    )
    verdict = judged(candidate(0.2, alone), store)
    assert (verdict.promoted, "found no BBB" in verdict.reason) == (False, True)
    more = judged(candidate(0.2, losses(0.2, tiers=(1, 22, 64))), store)
    assert (more.promoted, more.reason.startswith("better than v000001")) == (True, True)


def test_each_tier_is_held_to_the_naive_baseline(tmp_path: Path) -> None:
    """A good last tier, which is the one that is quoted, does not make up for a bad first one."""
    bad, good = losses(-0.3, tiers=(1,)), losses(0.1, seed=2, tiers=(22,))
    verdict = judged(candidate(0, Losses(bad.symbols, bad.tiers + good.tiers)), ArtifactStore(tmp_path))
    assert not verdict.promoted
    assert verdict.reason.startswith("worse than its naive baseline by more than 0.01: tier 1, ")


def test_few_days_show_no_skill(tmp_path: Path) -> None:
    """Whatever they look like."""
    verdict = judged(candidate(0, losses(0.5, days=LEAST_DAYS - 1)), ArtifactStore(tmp_path))
    assert verdict.label == "no measurable skill"
    assert {comparison.verdict for comparison in verdict.comparisons} == {"too few days"}
    assert judged(candidate(0, losses(0.5, days=4 * LEAST_DAYS)), ArtifactStore(tmp_path)).label == "better than naive"


def test_without_skill_it_replaces_no_champion_that_has_some(tmp_path: Path) -> None:
    """Though the difference between them be too small to be called."""
    known = losses(0.02)
    luck = np.random.default_rng(5).lognormal(0, 0.6, 2 * DAYS)
    mine = [tier.model * luck for tier in known.tiers]
    tiers = tuple(
        replace(tier, model=model * tier.model.sum() / model.sum())
        for tier, model in zip(known.tiers, mine, strict=True)
    )
    verdict = judged(candidate(0.0, Losses(known.symbols, tiers)), champion(tmp_path, known))
    assert verdict.label == "no measurable skill"
    assert not verdict.promoted
    assert verdict.reason.startswith("v000001 is better than naive, and this is not measurably so")


def equals(seed: int) -> tuple[Candidate, Candidate]:
    """Return two versions that are as good as each other, by luck better or worse: their losses differ without law."""
    rng = np.random.default_rng(seed)
    known = losses(0.0, days=300)
    one, other = (
        Losses(known.symbols, tuple(replace(t, model=t.naive * rng.lognormal(0, 0.1, 600)) for t in known.tiers))
        for _ in range(2)
    )
    return candidate(0.0, one), candidate(0.0, other)


def rates() -> tuple[float, float]:
    """Return the shares of 100 pairs of equals in which one is called better, and worse, in any tier."""
    verdicts = [{one.verdict for one in paired(*equals(seed))} for seed in range(100)]
    return sum("better" in each for each in verdicts) / 100, sum("worse" in each for each in verdicts) / 100


def test_equals_are_hardly_ever_told_apart() -> None:
    """In at most `LEVEL` of the pairs, over all tiers together, though there be less than five blocks of days."""
    assert max(rates()) <= LEVEL


@pytest.mark.parametrize("model", model_names())
def test_the_label_is_what_answers_say(model: str, trained_store: Path) -> None:
    """A version is called better than naive by its gate if the score that answers quote says so, and by no other."""
    manifest = ArtifactStore(trained_store).manifest(model)
    assert manifest.gate.label == headline(manifest.tiers[-1].scores).verdict


def test_intervals_of_few_blocks_would_tell_equals_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which is why they are stretched: without that, and without Bonferroni, twice as many and more."""
    monkeypatch.setattr(scores, "stretch", lambda _days, _tail: 1.0)
    assert min(rates()) >= 2 * LEVEL


def test_rows_are_paired_by_symbol_and_day(tmp_path: Path) -> None:
    """A candidate that forecast other days as well is compared on those in common, whatever their order."""
    mine = losses(0.05, start=400)
    shuffled = np.random.default_rng(1).permutation(2 * DAYS)
    tiers = tuple(
        replace(
            tier,
            symbol=tier.symbol[shuffled],
            date=tier.date[shuffled],
            outcome=tier.outcome[shuffled],
            model=tier.model[shuffled],
            naive=tier.naive[shuffled],
        )
        for tier in mine.tiers
    )
    swapped = tuple(replace(tier, symbol=1 - tier.symbol) for tier in tiers)
    for same in (Losses(mine.symbols, tiers), Losses(mine.symbols[::-1], swapped)):
        verdict = judged(candidate(0.05, same), champion(tmp_path, losses(0.05)))
        assert {comparison.n for comparison in verdict.comparisons[2:]} == {DAYS}


def test_rows_of_a_restated_history_are_not_compared(tmp_path: Path) -> None:
    """Their losses are about another outcome."""
    known = losses(0.05)
    restated = np.where(np.arange(2 * DAYS) < 300, 9.0, known.tiers[0].outcome)
    changed = Losses(known.symbols, tuple(replace(tier, outcome=restated) for tier in known.tiers))
    verdict = judged(candidate(0.05, changed), champion(tmp_path, known))
    assert {comparison.n for comparison in verdict.comparisons[2:]} == {2 * DAYS - 300}


@pytest.mark.parametrize("days", [0, 100])
def test_too_little_in_common_promotes_nothing(tmp_path: Path, days: int) -> None:
    """Nobody knows whether it is worse; the reason says what to do."""
    verdict = judged(candidate(0.2, losses(0.2, start=DAYS - days)), champion(tmp_path, losses(0.0)))
    assert not verdict.promoted
    assert "expected 252 days that v000001 forecast as well, found fewer; train it on" in verdict.reason


def test_too_little_in_common_in_one_tier_promotes_nothing(tmp_path: Path) -> None:
    """The others say nothing about it, and it may be the one that answers quote."""
    whole, short = losses(0.2), losses(0.2, start=DAYS - 100)
    mixed = Losses(whole.symbols, (whole.tiers[0], short.tiers[1]))
    verdict = judged(candidate(0.2, mixed), champion(tmp_path, losses(0.0)))
    assert not verdict.promoted
    assert "expected 252 days that v000001 forecast as well in tier 22 too, found fewer" in verdict.reason


def test_other_targets_and_scores_are_not_compared(tmp_path: Path) -> None:
    """A skill in log loss says nothing about one in variance, nor one over five days about one over one."""
    store = champion(tmp_path, losses(0.2))
    other = replace(candidate(0.0), target=msgspec.structs.replace(toys.draft().target, horizon=5))
    assert judged(other, store).promoted
    mine = losses(0.0)
    renamed = Losses(mine.symbols, tuple(replace(tier, metric="brier_skill") for tier in mine.tiers))
    verdict = judged(candidate(0.0, renamed), store)
    assert verdict.promoted
    assert verdict.reason == "judged by another score than v000001; no measurable skill"


def test_versions_quoted_against_other_baselines_are_compared(tmp_path: Path) -> None:
    """Each was quoted against the strongest rival of its day; that they differ is no way around the champion."""
    mine = losses(0.0)
    other = Losses(mine.symbols, tuple(replace(tier, baseline="long_run") for tier in mine.tiers))
    verdict = judged(candidate(0.0, other), champion(tmp_path, losses(0.2)))
    assert not verdict.promoted
    assert verdict.reason.startswith("worse than v000001: tier ")


@pytest.mark.parametrize("kept", [None, b"none"])
def test_champion_that_kept_no_losses_can_be_replaced(tmp_path: Path, kept: bytes | None) -> None:
    """One of an earlier protocol, say."""
    store = champion(tmp_path, None)
    if kept is not None:
        files = certified(toys.draft(), toys.files("2") | {LOSSES_NAME: kept})
        store.promote(toys.MODEL, store.publish(toys.draft(), files, why="test").version, why="test")
    verdict = judged(candidate(0.0), store)
    assert verdict.promoted
    assert "kept no losses to compare with; no measurable skill" in verdict.reason


def test_store_that_cannot_be_read_promotes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A champion that nobody can see at the moment may still be there."""

    def refused(*_: object) -> None:
        raise StoreUnreadable("expected to read, found: input/output error")

    store = toys.stocked(tmp_path, 1)
    monkeypatch.setattr(store, "read", refused)
    with pytest.raises(StoreUnreadable):
        judged(candidate(0.9), store)


@settings(max_examples=25)
@given(gain=st.floats(-0.5, 0.5), seed=st.integers(0, 99), tiers=st.sampled_from([(1,), (1, 22), (1, 22, 64, 253)]))
def test_losses_survive_their_bytes(gain: float, seed: int, tiers: tuple[int, ...]) -> None:
    """To float32; and equal losses have equal bytes."""
    known = losses(gain, seed=seed, tiers=tiers, days=150)
    data = known.dump()
    again = Losses.load(data)
    assert again.dump() == data
    assert again.symbols == known.symbols
    for tier, other in zip(known.tiers, again.tiers, strict=True):
        assert (tier.tier, tier.metric, tier.baseline, tier.relative) == (
            other.tier,
            other.metric,
            other.baseline,
            other.relative,
        )
        np.testing.assert_array_equal(tier.date, other.date)
        np.testing.assert_array_equal(tier.symbol, other.symbol)
        for name in ("outcome", "model", "naive"):
            np.testing.assert_array_equal(getattr(tier, name).astype(np.float32), getattr(other, name))


def test_a_published_candidate_is_judged_as_it_was_before(tmp_path: Path) -> None:
    """From the losses in its artifact: the same figures."""
    store = champion(tmp_path, losses(0.05, seed=2))
    files = certified(toys.draft(), toys.files("2") | {LOSSES_NAME: losses(0.1).dump()})
    version = store.publish(toys.draft(), files, why="test").version
    published = of_artifact(store.read(toys.MODEL, version))
    assert published is not None
    assert judged(published, store) == judged(candidate(0.1), store)

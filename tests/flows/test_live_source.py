"""Ingestion from a live source: the real yfinance against a stand-in, into snapshots and stored series."""

import datetime as dt
import functools
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.bar_store import sample_store
from data.integrity import tree_digest
from data.sources import yahoo
from data.sources.yahoo import asking
from data.sources.yahoo.keeping import SUFFIX
from flows.ingestion import Ingestion, ingest
from flows.pipeline import retrain
from flows.plan import Plan, plan
from flows.steps import check_bars, digests_of, keep_series, known_before
from tests.data.sources.yahoo.standin import Fault, Listing, Standin, serving, walk
from tests.flows.support import MODEL, Heard

NOW = dt.datetime(2012, 12, 14, 23, 0, tzinfo=dt.UTC)
SYMBOLS = ("AAA", "BBB")


@pytest.fixture
def standin() -> Iterator[Standin]:
    """Return a stand-in of Yahoo with two symbols of 2012."""
    with serving(NOW) as running:
        running.listings = {
            "AAA": Listing(walk("2012-01-03", "2013-03-01", seed=1)),
            "BBB": Listing(walk("2012-01-03", "2013-03-01", seed=2, price=20.0)),
        }
        yield running


@pytest.fixture
def asked(standin: Standin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """Return a plan that asks the stand-in, without the pauses between questions that Yahoo is owed."""
    monkeypatch.setattr(yahoo, "Yahoo", functools.partial(yahoo.Yahoo, pause_s=0.0))
    return plan(
        source="yahoo",
        symbols=SYMBOLS,
        only=(MODEL,),
        artifacts=tmp_path / "artifacts",
        data=tmp_path / "data",
        provider=standin.base,
    )


def ingested(asked: Plan, standin: Standin) -> Ingestion:
    """Ingest at the stand-in's time, and store what came."""
    held = asked.data / "held"
    done = ingest(asked, held, lambda _: None, now=lambda: standin.now)
    keep_series(asked, held, digests_of(asked))
    shutil.rmtree(held, ignore_errors=True)
    return done


def statuses(done: Ingestion) -> list[tuple[str, bool]]:
    """Return what came of each symbol."""
    return [(one.status, one.restated) for one in done.symbols]


def test_only_what_is_new_is_asked_for_and_kept(asked: Plan, standin: Standin) -> None:
    """A first history, its continuation, then nothing; each is a snapshot, the stored series is made of the last."""
    assert statuses(ingested(asked, standin)) == [("new", False)] * 2
    store = sample_store(asked.data / "processed")
    first = store.bars("AAA")
    assert first.date is not None
    assert first.date[-1] == np.datetime64("2012-12-14")
    raw = asked.data / "raw"
    kept = {path: path.read_bytes() for path in sorted(raw.rglob("*")) if path.is_file()}

    standin.now += dt.timedelta(days=5)
    assert statuses(ingested(asked, standin)) == [("updated", False)] * 2
    store.refresh()
    second = store.bars("AAA")
    assert second.date is not None
    assert second.date[-1] == np.datetime64("2012-12-19")
    np.testing.assert_array_equal(second.close[: len(first)], first.close)
    assert [snapshot.entry.why for snapshot in store.snapshots.history("AAA", "yahoo")] == ["first", "appended"]
    assert {path: path.read_bytes() for path in kept} == kept
    assert store.info("AAA").snapshots[0].sequence == 2

    before = tree_digest(raw)
    assert statuses(ingested(asked, standin)) == [("unchanged", False)] * 2
    assert tree_digest(raw) == before


def split_on(listing: Listing, day: str) -> None:
    """Let a share become four on a day."""
    rows = listing.rows
    at = next(number for number, row in enumerate(rows) if str(row.day) == day)
    quartered = [
        replace(row, open=row.open / 4, high=row.high / 4, low=row.low / 4, close=row.close / 4, volume=row.volume * 4)
        for row in rows[at:]
    ]
    listing.rows = [*rows[:at], replace(quartered[0], split=4.0), *quartered[1:]]


def test_a_split_is_a_new_snapshot_and_no_surprise(asked: Plan, standin: Standin) -> None:
    """Restated history is named with its day, stored anew, and the bars are judged by themselves then."""
    split_on(standin.listings["AAA"], "2012-12-18")
    ingested(asked, standin)
    before = known_before(asked)
    standin.now += dt.timedelta(days=5)
    done = ingested(asked, standin)
    assert statuses(done) == [("updated", True), ("updated", False)]
    assert "2012-12-18" in done.symbols[0].said
    assert "4" in done.symbols[0].said
    store = sample_store(asked.data / "processed")
    latest = store.snapshots.latest("AAA", "yahoo")
    assert latest is not None
    assert "2012-12-18" in latest.entry.why
    moves = np.abs(np.diff(np.log(store.bars("AAA").close)))
    assert moves.max() < 0.2
    verdict = check_bars(asked, store, done, before, np.datetime64("2012-12-19"))
    assert not verdict.halts, verdict.text()


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault(body=b"<html>Too many requests</html>", headers={"Content-Type": "text/html"}), "text/html"),
        (Fault(change=lambda chart: chart["chart"]["result"][0]["meta"].update(symbol="ZZZ")), "ZZZ"),
    ],
)
def test_an_answer_that_is_none_fails_its_symbol_and_halts_the_run(
    asked: Plan, standin: Standin, fault: Fault, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each kind is explained; nothing is trained, and nothing of the other symbol is stored but its snapshot."""
    monkeypatch.setattr(asking, "BACKOFF_S", 0.05)  # what may pass is asked for again, but need not be waited for here
    standin.faults["BBB"] = fault
    heard = Heard()
    summary = retrain(asked, heard, clock=lambda: standin.now)
    assert not heard.ran("train")
    assert summary.halted is not None
    assert words in summary.halted
    assert summary.ingestion is not None
    assert [one.status for one in summary.ingestion.symbols] == ["new", "failed"]
    assert words in summary.ingestion.symbols[1].said
    store = sample_store(asked.data / "processed")
    assert "AAA" not in {info.symbol for info in store.symbols()}
    assert store.snapshots.latest("AAA", "yahoo") is not None


def test_answers_that_can_not_be_forgotten_are_told_of(asked: Plan, standin: Standin) -> None:
    """The run is halted for its own reason all the same, and every other answer is forgotten."""
    stuck = asked.data / "cache" / "yahoo" / f"A{SUFFIX}"  # the first of them
    stuck.mkdir(parents=True)
    standin.faults["BBB"] = Fault(change=lambda chart: chart["chart"]["result"][0]["meta"].update(symbol="ZZZ"))
    heard = Heard()
    summary = retrain(asked, heard, clock=lambda: standin.now)
    assert summary.halted is not None
    assert "ZZZ" in summary.halted
    assert any("can't be removed" in line and str(stuck) in line for line in heard.lines)
    assert list(stuck.parent.glob(f"*{SUFFIX}")) == [stuck]


def test_a_split_during_a_run_that_halts_is_no_surprise_to_the_next(
    asked: Plan, standin: Standin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The snapshot of the restated history stays and the stored series does not know it: they are compared."""
    monkeypatch.setattr(asking, "BACKOFF_S", 0.05)
    split_on(standin.listings["AAA"], "2012-12-18")
    ingested(asked, standin)
    stored = sample_store(asked.data / "processed").bars("AAA")
    standin.now += dt.timedelta(days=5)
    standin.faults["BBB"] = Fault(body=b"<html>Too many requests</html>", headers={"Content-Type": "text/html"})
    assert retrain(asked, Heard(), clock=lambda: standin.now).halted is not None
    np.testing.assert_array_equal(sample_store(asked.data / "processed").bars("AAA").close, stored.close)

    del standin.faults["BBB"]
    before = known_before(asked)
    done = ingested(asked, standin)
    assert statuses(done) == [("updated", True), ("updated", False)]
    store = sample_store(asked.data / "processed")
    assert len(store.bars("AAA")) == len(stored) + 3
    verdict = check_bars(asked, store, done, before, np.datetime64("2012-12-19"))
    assert not verdict.halts, verdict.text()


def test_what_was_refused_is_not_what_the_next_answer_is_held_to(asked: Plan, standin: Standin) -> None:
    """A wrong history is a snapshot and never the stored series; once the source has mended it, runs go on."""
    ingested(asked, standin)
    standin.now += dt.timedelta(days=5)
    sound = list(standin.listings["AAA"].rows)
    standin.listings["AAA"].rows = [
        replace(row, open=row.open * 4, high=row.high * 4, low=row.low * 4, close=row.close * 4) for row in sound[:-30]
    ] + [replace(row, close=row.close * 1.01, high=row.high * 1.02) for row in sound[-30:]]
    refused = retrain(asked, Heard(), clock=lambda: standin.now)
    assert refused.halted is not None
    assert "validation, halted" in refused.halted

    standin.listings["AAA"].rows = sound
    before = known_before(asked)
    done = ingested(asked, standin)
    assert statuses(done) == [("updated", False), ("updated", False)]
    verdict = check_bars(asked, sample_store(asked.data / "processed"), done, before, np.datetime64("2012-12-19"))
    assert not verdict.halts, verdict.text()


def test_a_series_that_is_late_halts_the_run(asked: Plan, standin: Standin) -> None:
    """Weeks after its last bar a live series is too old to train on, and the reason names the day."""
    for listing in standin.listings.values():
        listing.rows = [row for row in listing.rows if row.day <= dt.date(2012, 11, 1)]
    summary = retrain(asked, Heard(), clock=lambda: standin.now)
    assert summary.halted is not None
    assert "validation, halted" in summary.halted
    assert "2012-11-01" in Path(str(summary.report)).read_text()


def test_a_correction_of_every_day_halts_the_run_and_loses_no_check(asked: Plan, standin: Standin) -> None:
    """A ticker that went to another company: no event explains it, so the days are named until accepted."""
    ingested(asked, standin)
    stored = tree_digest(asked.data / "processed")
    standin.now += dt.timedelta(days=5)
    standin.listings["AAA"].rows = walk("2012-01-03", "2013-03-01", seed=7)
    summary = retrain(asked, Heard(), clock=lambda: standin.now)
    assert summary.halted is not None
    assert tree_digest(asked.data / "processed") == stored
    page = Path(str(summary.report)).read_text()
    assert "restated-history" in page
    for text in (summary.text(), summary.markdown(), page):
        assert "a correction: 2012-01-03 " in text
    assert summary.ingestion is not None
    assert summary.ingestion.verdict() == "yahoo: 2 updated; restated AAA"


def test_a_split_with_a_correction_is_not_explained_by_the_split(asked: Plan, standin: Standin) -> None:
    """The one close that no event moves is named by its day; the days that the split moves are no surprise."""
    listing = standin.listings["AAA"]
    split_on(listing, "2012-12-18")
    ingested(asked, standin)
    before = known_before(asked)
    standin.now += dt.timedelta(days=5)
    listing.rows[100] = replace(listing.rows[100], close=listing.rows[100].low)
    done = ingested(asked, standin)
    assert [(one.restated, one.explained) for one in done.symbols] == [(True, False), (False, False)]
    verdict = check_bars(asked, sample_store(asked.data / "processed"), done, before, np.datetime64("2012-12-19"))
    (finding,) = [one for part in verdict.series for one in part.findings if one.expectation == "restated-history"]
    assert finding.rows == 1
    assert str(listing.rows[100].day) in finding.message


def test_a_payout_that_is_told_late_is_explained(asked: Plan, standin: Standin) -> None:
    """It moves the days before it and not the known ones after it, so that no one factor fits them all."""
    ingested(asked, standin)
    before = known_before(asked)
    listing = standin.listings["AAA"]
    at = next(number for number, row in enumerate(listing.rows) if str(row.day) == "2012-12-10")
    listing.rows[at] = replace(listing.rows[at], dividend=listing.rows[at].close / 20)
    standin.now += dt.timedelta(days=5)
    done = ingested(asked, standin)
    assert [(one.restated, one.explained) for one in done.symbols] == [(True, True), (False, False)]
    verdict = check_bars(asked, sample_store(asked.data / "processed"), done, before, np.datetime64("2012-12-19"))
    assert not verdict.halts, verdict.text()


def test_a_series_that_is_behind_is_said_to_be_stale(asked: Plan, standin: Standin) -> None:
    """By the table and the page, and not as one of many that are up to date."""
    standin.listings["AAA"].rows = [row for row in standin.listings["AAA"].rows if row.day <= dt.date(2012, 12, 12)]
    summary = retrain(asked, Heard(), clock=lambda: standin.now)
    for text in (summary.text(), summary.markdown(), Path(str(summary.report)).read_text()):
        assert "stale" in text
        assert "expected bars up to 2012-12-14" in text

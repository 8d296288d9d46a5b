"""What a plan refuses before anything is begun, and how it names series."""

import datetime as dt
from pathlib import Path

import pytest

from data.bar_store import sample_store
from flows.ingestion import ingest
from flows.plan import PlanError, plan
from tests.data.sources.yahoo.standin import Listing, serving, walk
from tests.flows.support import MODEL, plan_for, write_files

NOW = dt.datetime(2012, 12, 14, 23, 0, tzinfo=dt.UTC)


def test_symbols_are_named_as_the_stored_series_are() -> None:
    """In capitals, each once, in the order of asking."""
    assert plan(symbols=("msft", "AAPL", "Msft", "brk.b", "aapl")).symbols == ("MSFT", "AAPL", "BRK.B")


@pytest.mark.parametrize("name", ["", "../x", "A B", "Ä"])
def test_what_can_not_be_a_symbol_is_refused(name: str) -> None:
    """With what to do."""
    with pytest.raises(PlanError, match=r"expected a symbol of .*, found .*; correct it"):
        plan(symbols=("AAPL", name))


@pytest.mark.parametrize(
    "service",
    [
        "http://host:80x0",
        "http://host:99999",
        "host:8000",
        "ftp://host",
        "http://",
        "",
        "http://ho st\n",
        "http://[::1",
    ],
)
def test_an_address_that_can_not_be_asked_is_refused(service: str) -> None:
    """Before the training, and not at its end."""
    with pytest.raises(PlanError, match=r"expected the address of a service such as .*; correct it"):
        plan(service=service)
    assert plan(service="http://127.0.0.1:8000").service == "http://127.0.0.1:8000"


def test_small_letters_go_on_from_what_is_known(tmp_path: Path) -> None:
    """Of a source that is asked for what is missing: the second run asks for that alone, and appends it."""
    with serving(NOW) as standin:
        standin.listings = {"AAA": Listing(walk("2012-01-03", "2013-03-01"))}
        asked = plan(
            source="yahoo",
            symbols=("aaa",),
            only=(MODEL,),
            artifacts=tmp_path / "artifacts",
            data=tmp_path / "data",
            provider=standin.base,
        )
        processed = asked.data / "processed"
        said = []
        for _ in range(2):
            done = ingest(asked, tmp_path / "held", lambda _: None, now=lambda: standin.now)
            sample_store(processed).adopt(tmp_path / "held", sample_store(processed).digests())
            said.append([(one.symbol, one.status) for one in done.symbols])
            standin.now += dt.timedelta(days=5)
        assert said == [[("AAA", "new")], [("AAA", "updated")]]
        assert standin.data_questions()[-1].first_day > dt.date(2012, 11, 1)


def test_two_files_of_one_symbol_are_refused(tmp_path: Path) -> None:
    """Both are named: which one is meant is not to be decided by the alphabet."""
    folder = write_files(tmp_path / "files")
    (folder / "aapl.csv").write_bytes((folder / "IBM.csv").read_bytes())
    (folder / "other.csv").write_bytes((folder / "IBM.csv").read_bytes())
    done = ingest(plan_for(tmp_path), tmp_path / "held", lambda _: None)
    assert [(one.symbol, one.status) for one in done.symbols] == [("AAPL", "failed"), ("IBM", "new")]
    assert f"expected one file of AAPL in {folder}, found AAPL.csv and aapl.csv" in done.symbols[0].said
    assert done.halts

"""The gate stays shut where a check can't answer, and nothing of a judged series stays behind."""

import gc
import subprocess
import sys
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.validation import run
from data.validation.bar_case import BarCase
from data.validation.bars import BAR_EXPECTATIONS, Bar
from data.validation.engine import judge
from data.validation.expectation import Expectation
from data.validation.features import FEATURE_EXPECTATIONS
from data.validation.report import Severity
from data.validation.run import validate_bars, validate_features
from data.validation.thresholds import BarThresholds
from feature_mapper.catalogue import CATALOGUE
from tests.data.validation.made import NEW_YORK, SYMBOL, bars_of, day, judged, names, quiet

ROOT = Path(__file__).parents[3]

CHECKED = [one for one in BAR_EXPECTATIONS if one.holds is not None]


def case_of(source: object) -> BarCase:
    """Return a case without calendar, today and past."""
    return BarCase(SYMBOL, source, None, None, None, BarThresholds())  # type: ignore[arg-type]  # a test may give anything


def expectation(**changed: object) -> Bar:
    """Return an expectation that holds, with some fields changed."""
    made: Bar = Expectation(
        name="planted", severity=Severity.WARNING, expects="nothing", remedy="Nothing.", holds=lambda _case: True
    )
    return replace(made, **changed)  # type: ignore[arg-type]  # the fields differ in type


def boom(*_arguments: object) -> bool:
    """Fail as a check with a mistake does."""
    raise RuntimeError("boom")


@pytest.mark.parametrize("broken", CHECKED, ids=lambda one: one.name)
def test_a_check_that_raises_is_an_error(broken: Bar, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its severity, an expectation whose check raises halts, by its name, on a series that is sound."""
    planted = tuple(replace(one, holds=boom) if one is broken else one for one in BAR_EXPECTATIONS)
    monkeypatch.setattr(run, "BAR_EXPECTATIONS", planted)
    frame = quiet()

    found = judged(frame, today=day("2024-06-24"), previous={SYMBOL: bars_of(frame)})

    assert names(found) == [broken.name]
    assert found.halts
    assert 'RuntimeError("boom")' in found.series[0].findings[0].message


def test_words_that_raise_are_an_error() -> None:
    """A check that fails, and can't say where, is an error even if it was a warning."""
    planted = expectation(holds=lambda _case: False, tells=boom)

    (finding,) = judge(case_of(quiet()), [planted]).findings

    assert (finding.expectation, finding.severity) == ("planted", Severity.ERROR)
    assert "RuntimeError: boom" in finding.message


def test_a_check_that_was_not_run_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were Pandera to skip checks, no expectation would pass by that."""
    import pandera.pandas as pa

    monkeypatch.setattr(pa.DataFrameSchema, "validate", lambda *_arguments, **_options: None)

    found = judge(case_of(quiet()), [expectation()])

    assert [(one.expectation, one.severity) for one in found.findings] == [("planted", Severity.ERROR)]
    assert "was not run" in found.findings[0].message


@pytest.mark.parametrize(
    ("variable", "value"), [("PANDERA_VALIDATION_ENABLED", "False"), ("PANDERA_VALIDATION_DEPTH", "SCHEMA_ONLY")]
)
def test_the_environment_can_not_open_the_gate(variable: str, value: str) -> None:
    """Pandera can be switched off by a variable; this gate can't. And a process that validated ends without a word."""
    program = (
        "from tests.data.validation.made import *\n"
        "frame = quiet()\n"
        "frame.loc[60, 'close'] = -1.0\n"
        "assert names(judged(frame)) == ['price-not-positive'], names(judged(frame))\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", variable: value},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_an_objection_that_nobody_declared_is_an_error() -> None:
    """A failure of the schema without an expectation of its own halts under Pandera's name for it."""
    only = [one for one in BAR_EXPECTATIONS if one.name != "wrong-type"]
    frame = quiet()
    frame["volume"] = frame["volume"].map(str)

    found = judge(case_of(frame), only)

    assert [(one.expectation, one.severity) for one in found.findings] == [("wrong-datatype", Severity.ERROR)]


def test_nothing_of_a_series_stays_behind() -> None:
    """Pandera keeps schemas by frame; ours would hold all series for ever."""
    from pandera.accessors import _schema_registry

    gc.collect()
    before = len(_schema_registry._reg)
    cases = [case_of(quiet()) for _ in range(3)]
    cases[1].frame.loc[60, "close"] = -1.0
    frames = [weakref.ref(case.frame) for case in cases]
    for case in cases:
        judge(case, BAR_EXPECTATIONS)
    del cases, case
    gc.collect()

    assert [frame() for frame in frames] == [None, None, None]
    assert len(_schema_registry._reg) == before


def test_a_sound_series_is_let_go_at_once() -> None:
    """Without waiting for the collector of cycles, which may not run before hundreds of matrices are held."""
    from pandera.accessors import _schema_registry

    case = case_of(quiet())
    gc.collect()
    before = len(_schema_registry._reg)
    gc.disable()
    try:
        judge(case, BAR_EXPECTATIONS)
        assert len(_schema_registry._reg) == before
    finally:
        gc.enable()


def test_one_series_that_can_not_be_looked_at_leaves_the_others() -> None:
    """Columns of unequal length are an error of their own series."""
    found = validate_bars({"BROKEN": {"date": [1, 2], "close": [1.0]}, SYMBOL: quiet()}, lambda _symbol: NEW_YORK, None)

    assert names(found) == ["unreadable"]
    assert "'date': 2, 'close': 1" in found.series[0].findings[0].message
    assert found.halts


def test_a_calendar_that_does_not_know_today_is_an_error() -> None:
    """Staleness can't be judged beyond the known sessions; that is no reason to pass."""
    found = judged(quiet(), today=day("2041-06-24"))

    assert names(found) == ["outdated", "stale"]
    assert all(one.severity is Severity.ERROR for one in found.series[0].findings)


def test_nothing_to_judge_is_refused() -> None:
    """A gate that sees nothing must not open."""
    with pytest.raises(ValueError, match="at least one series"):
        validate_bars({}, lambda _symbol: None, None)
    with pytest.raises(ValueError, match="at least one series"):
        validate_features({}, CATALOGUE)
    with pytest.raises(ValueError, match="at least one feature"):
        validate_features({SYMBOL: bars_of(quiet())}, ())


def test_the_same_series_give_the_same_document() -> None:
    """Nothing depends on the clock or on chance."""
    frame = quiet()
    frame.loc[[20, 60], "close"] = np.nan

    assert judged(frame) == judged(frame.copy())


def test_names_are_unique_and_thresholds_exist() -> None:
    """An expectation is found by its name, and every threshold belongs to one."""
    for expectations in (BAR_EXPECTATIONS, FEATURE_EXPECTATIONS):
        assert len({one.name for one in expectations}) == len(expectations)
    named = {one.threshold for one in BAR_EXPECTATIONS if one.threshold}
    assert named == set(BarThresholds.__struct_fields__)
    assert all("{" + str(one.threshold) in one.expects for one in BAR_EXPECTATIONS if one.threshold)

"""Each expectation on a matrix of features fails on the one defect that it is for, and on nothing else."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.sources.sample import read_sample
from data.validation.feature_case import UNIT_BOUNDS, Matrix, Reference, reference_of
from data.validation.features import FEATURE_EXPECTATIONS, Made
from data.validation.report import Severity
from data.validation.run import validate_features
from data.validation.thresholds import FeatureThresholds
from feature_mapper.bars import Bars
from feature_mapper.catalogue import CATALOGUE, select
from feature_mapper.feature import Feature
from tests.data.validation.made import SYMBOL, bars_of, names, quiet

FEATURES = select(["day_of_week", "log_return_1", "log_return_5", "up_share_10", "rsi_14", "volume_log_ratio_5"])
UP_SHARE, VOLUME_RATIO = 3, 5


@cache
def bars() -> Bars:
    """Return a quiet series."""
    return bars_of(quiet())


def made(features: tuple[Feature, ...] = FEATURES) -> Matrix:
    """Return its matrix, to plant a defect in."""
    return Matrix.of(bars(), features)


@dataclass
class Given:
    """A matrix, and what it is compared with."""

    matrix: Matrix
    reference: Reference
    others: dict[str, Bars | Matrix]


def put(given_: Given, row: int, column: int, value: float) -> None:
    """Write one value."""
    given_.matrix.numbers[row, column] = value


def still(given_: Given, *, everywhere: bool) -> None:
    """Let a column stand still, in this series alone or in all."""
    given_.matrix.numbers[10:, UP_SHARE] = 0.5
    if not everywhere:
        given_.others["OTHER"] = bars_of(quiet(seed=2), "OTHER")


def columns(given_: Given, names_: tuple[str, ...], numbers: np.ndarray) -> None:
    """Replace the columns."""
    given_.matrix = replace(given_.matrix, names=names_, numbers=numbers)


def add(given_: Given, name: str) -> None:
    """Add a column of noise."""
    numbers = given_.matrix.numbers
    noise = np.random.default_rng(5).normal(size=(len(numbers), 1))
    columns(given_, (*given_.matrix.names, name), np.hstack([numbers, noise]))


def turn(given_: Given) -> None:
    """Change the places of two columns."""
    order = [0, 2, 1, *range(3, len(FEATURES))]
    columns(given_, tuple(given_.matrix.names[at] for at in order), given_.matrix.numbers[:, order])


def drop(given_: Given) -> None:
    """Leave the last column out."""
    columns(given_, given_.matrix.names[:-1], given_.matrix.numbers[:, :-1])


def shift(given_: Given) -> None:
    """Give each row the day after its own."""
    assert given_.matrix.date is not None
    given_.matrix = replace(given_.matrix, date=given_.matrix.date + 1)


DEFECTS: dict[str, Callable[[Given], None]] = {
    "missing-feature": drop,
    "unknown-feature": lambda g: add(g, "sentiment"),
    "repeated-feature": lambda g: add(g, "rsi_14"),
    "wrong-order": turn,
    "wrong-type": lambda g: columns(g, g.matrix.names, g.matrix.numbers.astype(np.float32)),
    "wrong-dates": shift,
    "missing-value": lambda g: put(g, 60, UP_SHARE, np.nan),
    "made-up-value": lambda g: put(g, 3, UP_SHARE, 0.5),
    "out-of-unit": lambda g: put(g, 60, UP_SHARE, 1.001),
    "constant-feature": lambda g: still(g, everywhere=True),
    "twin-features": lambda g: g.matrix.numbers.__setitem__((slice(None), 2), g.matrix.numbers[:, 1]),
    "still-feature": lambda g: still(g, everywhere=False),
    "far-from-reference": lambda g: put(g, 60, VOLUME_RATIO, 20.0),
}
"""One defect an expectation."""

TWINS = select(["day_of_week", "log_return_1", "log_return_1_lag_1"])


def test_every_expectation_has_its_defect() -> None:
    """An expectation that nobody has seen to fail could be one that finds nothing."""
    assert list(DEFECTS) == [one.name for one in FEATURE_EXPECTATIONS]


@pytest.mark.parametrize("expectation", FEATURE_EXPECTATIONS, ids=lambda one: one.name)
def test_a_single_defect_breaks_exactly_its_expectation(expectation: Made) -> None:
    """It is found under its name and severity, in words, and nothing else is."""
    features = FEATURES
    if expectation.name == "twin-features":  # of one lookback, or the copy would also be a value made up
        features = (*FEATURES[:2], replace(FEATURES[1], name="log_return_1_again"))
    case = Given(made(features), reference_of([made(features).numbers], features), {})
    DEFECTS[expectation.name](case)

    found = validate_features({SYMBOL: case.matrix, **case.others}, features, reference=case.reference)

    assert names(found) == [expectation.name]
    (finding,) = found.series[0].findings
    assert finding.severity is expectation.severity
    assert found.halts is (expectation.severity is Severity.ERROR)
    assert finding.remedy == expectation.remedy


def test_a_sound_matrix_passes() -> None:
    """What `compute` returns is what is expected, and everything is judged."""
    found = validate_features({SYMBOL: bars()}, FEATURES, reference=reference_of([made().numbers], FEATURES))

    assert names(found) == []
    assert found.series[0].checked == len(FEATURE_EXPECTATIONS)


def test_the_whole_catalogue_passes_on_the_sample() -> None:
    """No feature of the catalogue breaks an expectation on a real series."""
    found = validate_features(read_sample().bars, CATALOGUE)

    assert names(found) == []
    assert {one.rows for one in found.series} == {len(one) for one in read_sample().bars.values()}


def test_a_reference_of_the_sample_holds_the_sample() -> None:
    """Compared with its own reference, the sample has warnings at most."""
    series = read_sample().bars
    reference = reference_of([Matrix.of(one, CATALOGUE).numbers for one in series.values()], CATALOGUE)

    found = validate_features(series, CATALOGUE, reference=reference)

    assert not found.halts
    assert reference.bounds.keys() == {feature.name for feature in CATALOGUE}


def test_every_unit_of_the_catalogue_has_bounds() -> None:
    """A unit without bounds could not be judged."""
    assert {feature.unit for feature in CATALOGUE} <= UNIT_BOUNDS.keys()


def test_a_unit_without_bounds_is_an_error() -> None:
    """Nothing is known about its values, so the gate stays shut."""
    features = (replace(FEATURES[1], unit="furlongs"),)

    found = validate_features({SYMBOL: bars()}, features)

    assert names(found) == ["out-of-unit"]
    assert found.halts
    assert "found furlongs" in found.series[0].findings[0].message


@given(data=st.data())
def test_numbers_are_due_exactly_where_the_mapper_gives_them(data: st.DataObject) -> None:
    """For any length, unknown volumes and none at all, what `compute` returns lacks nothing and makes nothing up."""
    frame = quiet(data.draw(st.integers(1, 90), label="bars"))
    if data.draw(st.booleans(), label="no volume"):
        frame = frame.drop(columns="volume")
    else:
        unknown = data.draw(st.sets(st.integers(0, len(frame) - 1), max_size=3), label="unknown volumes")
        frame.loc[list(unknown), "volume"] = np.nan
    short = tuple(feature for feature in CATALOGUE if feature.lookback <= 64)

    found = validate_features({SYMBOL: bars_of(frame)}, short, FeatureThresholds(varied_rows=1000))

    assert names(found) == []


@given(data=st.data())
def test_any_number_lost_or_made_up_is_found(data: st.DataObject) -> None:
    """Turn any one cell from a number into NaN or infinity, or from NaN into a number."""
    matrix = made()
    row = data.draw(st.integers(0, len(matrix.numbers) - 1), label="row")
    column = data.draw(st.integers(0, len(FEATURES) - 1), label="column")
    there = bool(np.isfinite(matrix.numbers[row, column]))
    matrix.numbers[row, column] = data.draw(st.sampled_from([np.nan, np.inf, -np.inf])) if there else 0.25

    found = validate_features({SYMBOL: matrix}, FEATURES)

    assert names(found) == ["missing-value" if there else "made-up-value"]
    (finding,) = found.series[0].findings
    assert FEATURES[column].name in finding.message
    assert [one.row for one in finding.samples] == [row]
    assert list(finding.samples[0].values) == [FEATURES[column].name]


def test_infinity_is_no_number_where_volumes_are_unknown() -> None:
    """There a value may be missing; an infinite one is wrong all the same."""
    frame = quiet()
    frame.loc[60, "volume"] = np.nan
    matrix = Matrix.of(bars_of(frame), FEATURES)
    assert np.isnan(matrix.numbers[62, VOLUME_RATIO])
    matrix.numbers[62, VOLUME_RATIO] = np.inf

    assert names(validate_features({SYMBOL: matrix}, FEATURES)) == ["missing-value"]


def test_a_matrix_of_other_bars_is_an_error() -> None:
    """Fewer rows than bars are told as such; what needs the rows is not judged."""
    whole = made()
    matrix = replace(whole, numbers=whole.numbers[1:])

    found = validate_features({SYMBOL: matrix}, FEATURES)

    assert names(found) == ["wrong-dates"]
    assert "119 rows" in found.series[0].findings[0].message
    assert {one.lacks for one in found.series[0].unchecked} == {"rows", "rows, reference"}


def test_without_dates_the_calendar_is_absent_and_the_rest_is_judged() -> None:
    """Bars without dates have a matrix whose calendar columns are NaN."""
    undated = replace(bars(), date=None)

    assert names(validate_features({SYMBOL: undated}, FEATURES)) == []


def test_a_matrix_without_a_name_for_each_column_is_an_error() -> None:
    """It can't be looked at, and does not keep the other series from being judged."""
    broken = replace(made(), names=("only",))

    found = validate_features({"BROKEN": broken, SYMBOL: bars()}, FEATURES)

    assert [(one.symbol, one.count(Severity.ERROR)) for one in found.series] == [("BROKEN", 1), (SYMBOL, 0)]
    assert names(found) == ["unreadable"]

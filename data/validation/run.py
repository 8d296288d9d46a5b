"""`validate_bars` and `validate_features`: series in, one `Validation` out. No file is read or written."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Final

import numpy as np

from data.calendars import Calendar
from data.validation.bar_case import BarCase
from data.validation.bars import BAR_EXPECTATIONS
from data.validation.engine import Accepted, Judgement, judge
from data.validation.feature_case import FeatureCase, Matrix, Reference
from data.validation.features import FEATURE_EXPECTATIONS
from data.validation.frames import Source
from data.validation.report import (
    SCHEMA,
    Finding,
    Outline,
    SeriesValidation,
    Severity,
    Stage,
    Validation,
)
from data.validation.thresholds import BarThresholds, FeatureThresholds
from feature_mapper.bars import Bars
from feature_mapper.feature import Feature
from feature_mapper.typing import DateArray, FloatArray

OUTLINE_POINTS: Final = 240
"""Points of the close that a picture of a few hundred pixels can tell apart."""

_NOTHING: Final = Outline(days=(), close=())


def validate_bars(
    series: Mapping[str, Source],
    calendar_of: Callable[[str], Calendar | None],
    today: np.datetime64 | None,
    previous: Mapping[str, Bars] | None = None,
    thresholds: BarThresholds | None = None,
    accepted: Collection[Accepted] = (),
    explained: Collection[str] = (),
) -> Validation:
    """Judge series of bars before features are made of them.

    Parameters
    ----------
    series : mapping of str to Bars, pandas.DataFrame or mapping of columns
        By symbol. Bars are sound by construction; raw columns are judged on what `Bars` would refuse, too.
    calendar_of : callable
        Sessions of a symbol; None where no calendar is known, then only long holes are named.
    today : numpy.datetime64 or None
        Day against which the series are called stale; None for data that end on purpose.
    previous : mapping of str to Bars, or None
        What each series must go on from.
    thresholds : BarThresholds or None
        Numbers in force; the defaults if not given.
    accepted : collection of Accepted
        What a person has looked at and found right.
    explained : collection of str
        Symbols whose new history is the previous one carried over splits and payouts that the source names: it may
        lose no day, and is not compared otherwise.

    Raises
    ------
    ValueError
        No series: a gate that sees nothing must not open.

    """
    limits = thresholds or BarThresholds()
    _require(series)

    def judged(symbol: str, source: Source) -> SeriesValidation:
        past = (previous or {}).get(symbol)
        case = BarCase(symbol, source, calendar_of(symbol), today, past, limits, explained=symbol in explained)
        judgement = judge(case, BAR_EXPECTATIONS, accepted)
        dated = "date" in case.usable
        days = case.days[case.order] if dated else np.array([], dtype="datetime64[D]")
        drawn = dated and {"open", "high", "low", "close"} <= case.usable
        outline = outlined(case.days[case.sound], case.sound_bars.close) if drawn else _NOTHING
        return _validation(symbol, Stage.BARS, len(case.frame), days, judgement, outline)

    return Validation(
        schema=SCHEMA,
        today=None if today is None else str(today),
        bar_thresholds=limits,
        feature_thresholds=None,
        series=tuple(
            _guarded(symbol, Stage.BARS, partial(judged, symbol, source)) for symbol, source in series.items()
        ),
    )


def validate_features(
    series: Mapping[str, Bars | Matrix],
    features: Sequence[Feature],
    thresholds: FeatureThresholds | None = None,
    reference: Reference | None = None,
    accepted: Collection[Accepted] = (),
) -> Validation:
    """Judge the matrices of features before models are fitted on them.

    Parameters
    ----------
    series : mapping of str to Bars or Matrix
        By symbol. Of bars the matrix is computed here, one series at a time; a `Matrix` is judged as it is.
    features : sequence of Feature
        What the matrix should hold, in order.
    thresholds : FeatureThresholds or None
        Numbers in force; the defaults if not given.
    reference : Reference or None
        What values to compare with, as of an earlier training; see `data.validation.feature_case.reference_of`.
    accepted : collection of Accepted
        What a person has looked at and found right.

    Raises
    ------
    ValueError
        No series, or no features: a gate that sees nothing must not open.

    """
    limits = thresholds or FeatureThresholds()
    _require(series)
    if not features:
        raise ValueError("expected at least one feature to judge, found none; name the features of the model")

    varying = _varying(series, features, limits)

    def judged(symbol: str, source: Bars | Matrix) -> SeriesValidation:
        matrix = Matrix.of(source, features) if isinstance(source, Bars) else source
        case = FeatureCase(symbol, matrix, tuple(features), reference, limits, varying)
        days = np.array([], dtype="datetime64[D]") if matrix.bars.date is None else matrix.bars.date
        outline = outlined(days, matrix.bars.close) if len(days) else _NOTHING
        judgement = judge(case, FEATURE_EXPECTATIONS, accepted)
        return _validation(symbol, Stage.FEATURES, len(case.frame), days, judgement, outline)

    return Validation(
        schema=SCHEMA,
        today=None,
        bar_thresholds=None,
        feature_thresholds=limits,
        series=tuple(
            _guarded(symbol, Stage.FEATURES, partial(judged, symbol, source)) for symbol, source in series.items()
        ),
    )


def _varying(
    series: Mapping[str, Bars | Matrix], features: Sequence[Feature], limits: FeatureThresholds
) -> frozenset[str]:
    """Return the features that are not constant in some series. Mostly the first one settles nearly all of them."""
    varying: frozenset[str] = frozenset()
    for symbol, source in series.items():
        left = tuple(feature for feature in features if feature.name not in varying and feature.needs != "date")
        if not left:
            break
        with suppress(Exception):  # what can't be looked at varies nowhere, and is an error of its series below
            matrix = Matrix.of(source, left) if isinstance(source, Bars) else source
            varying |= FeatureCase(symbol, matrix, left, None, limits).not_constant
    return varying


def outlined(days: DateArray, close: FloatArray, points: int = OUTLINE_POINTS) -> Outline:
    """Return the close in few points: of each stretch of rows the lowest and the highest, so that no spike is lost."""
    rows = np.arange(len(close))
    if len(rows) > points:
        parts = np.array_split(rows, points // 2)
        ends = [row for part in parts for row in (part[close[part].argmin()], part[close[part].argmax()])]
        rows = np.unique([0, *ends, len(rows) - 1])
    return Outline(
        days=tuple(np.datetime_as_string(days[rows], unit="D").tolist()),
        close=tuple(float(f"{value:.6g}") for value in close[rows].tolist()),
    )


def _require(series: Mapping[str, object]) -> None:
    if not series:
        raise ValueError("expected at least one series to judge, found none; name the symbols of the run")


def _guarded(symbol: str, stage: Stage, judged: Callable[[], SeriesValidation]) -> SeriesValidation:
    """Judge one series; what can't even be looked at is an error of that series, and the others are judged."""
    try:
        return judged()
    except Exception as error:  # noqa: BLE001  whatever it is, the gate stays shut and the report says why
        finding = Finding(
            expectation="unreadable",
            severity=Severity.ERROR,
            expected="a series that can be looked at",
            message=f"{type(error).__name__}: {error}",
            remedy="Give bars, a frame, or columns of equal length.",
            rows=0,
            spans=(),
            samples=(),
        )
        days = np.array([], dtype="datetime64[D]")
        return _validation(symbol, stage, 0, days, Judgement((finding,), (), (), 0), _NOTHING)


def _validation(
    symbol: str, stage: Stage, rows: int, days: DateArray, judgement: Judgement, outline: Outline
) -> SeriesValidation:
    return SeriesValidation(
        symbol=symbol,
        stage=stage,
        rows=rows,
        first=str(days[0]) if len(days) else None,
        last=str(days[-1]) if len(days) else None,
        checked=judgement.checked,
        unchecked=judgement.unchecked,
        findings=judgement.findings,
        accepted=judgement.accepted,
        outline=outline,
    )

"""What every feature should be, written again in plain Python from its formula, with no array and no shared part.

An oracle sees the bars up to and including its row, oldest first, and counts back from the end by itself.
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import correlation, fmean, linear_regression, median, stdev, variance

from feature_mapper.bars import Bars


@dataclass(frozen=True, slots=True)
class Past:
    """Bars as lists."""

    o: list[float]
    h: list[float]
    l: list[float]  # noqa: E741  open, high, low, close, volume have one letter each
    c: list[float]
    v: list[float]
    d: list[date]

    @classmethod
    def of(cls, bars: Bars) -> "Past":
        """Return the bars as lists."""
        assert bars.volume is not None
        assert bars.date is not None
        days = [date.fromisoformat(str(day)) for day in bars.date]
        return cls(
            bars.open.tolist(), bars.high.tolist(), bars.low.tolist(), bars.close.tolist(), bars.volume.tolist(), days
        )

    def back(self, sessions: int) -> "Past":
        """Return the past as it was so many sessions ago."""
        end = len(self.c) - sessions
        return Past(self.o[:end], self.h[:end], self.l[:end], self.c[:end], self.v[:end], self.d[:end])

    @property
    def returns(self) -> list[float]:
        """Log returns."""
        return [math.log(b / a) for a, b in zip(self.c, self.c[1:], strict=False)]

    @property
    def gaps(self) -> list[float]:
        """Overnight log returns."""
        return [math.log(o / c) for o, c in zip(self.o[1:], self.c, strict=False)]

    @property
    def changes(self) -> list[float]:
        """Changes of close."""
        return [b - a for a, b in zip(self.c, self.c[1:], strict=False)]

    @property
    def typical(self) -> list[float]:
        """Typical prices."""
        return [(h + low + c) / 3 for h, low, c in zip(self.h, self.l, self.c, strict=True)]

    @property
    def bodies(self) -> list[float]:
        """Open-to-close log returns."""
        return [math.log(c / o) for o, c in zip(self.o, self.c, strict=True)]

    @property
    def ranges(self) -> list[float]:
        """High-low log ranges."""
        return [math.log(h / low) for h, low in zip(self.h, self.l, strict=True)]

    @property
    def positions(self) -> list[float]:
        """Where in the range the close stands, from -1 to 1."""
        return [2 * (c - low) / (h - low) - 1 for h, low, c in zip(self.h, self.l, self.c, strict=True)]


def _rms(x: Sequence[float]) -> float:
    return math.sqrt(fmean(value * value for value in x))


def _parkinson(p: Past, n: int) -> float:
    return _rms(p.ranges[-n:]) / math.sqrt(4 * math.log(2))


def _gk(p: Past) -> list[float]:
    return [0.5 * r**2 - (2 * math.log(2) - 1) * b**2 for r, b in zip(p.ranges, p.bodies, strict=True)]


def _rs(p: Past) -> list[float]:
    return [
        math.log(h / o) * (math.log(h / o) - math.log(c / o)) + math.log(x / o) * (math.log(x / o) - math.log(c / o))
        for o, h, x, c in zip(p.o, p.h, p.l, p.c, strict=True)
    ]


def _session(p: Past) -> list[float]:
    return [gk + gap**2 for gk, gap in zip(_gk(p)[1:], p.gaps, strict=True)]


def _session_volatility(p: Past, n: int) -> float:
    return math.sqrt(fmean(_session(p)[-n:]))


def _week_volatilities(p: Past) -> list[float]:
    sessions = _session(p)
    return [math.sqrt(fmean(sessions[end - 5 : end])) for end in range(len(sessions) - 503, len(sessions) + 1)]


def _third(p: Past, number: int) -> float:
    """Return the border in logs, between the two weeks of rank 503 / 3 * number."""
    ordered = sorted(math.log(x) for x in _week_volatilities(p))
    rank, rest = divmod(503 * number, 3)
    return ordered[rank] * (1 - rest / 3) + ordered[rank + 1] * rest / 3


def _yang_zhang(p: Past, n: int) -> float:
    k = 0.34 / (1.34 + (n + 1) / (n - 1))
    return math.sqrt(variance(p.gaps[-n:]) + k * variance(p.bodies[-n:]) + (1 - k) * fmean(_rs(p)[-n:]))


def _ema(x: Sequence[float], span: int, n: int) -> float:
    weights = [(1 - 2 / (span + 1)) ** age for age in range(n)]
    return sum(w * value for w, value in zip(weights, reversed(x[-n:]), strict=True)) / sum(weights)


def _macd(p: Past, n: int) -> float:
    return _ema(p.c, 12, n) - _ema(p.c, 26, n)


def _macd_histogram(p: Past) -> float:
    recent = [_macd(p.back(age), 56) for age in range(8, -1, -1)]
    return (recent[-1] - _ema(recent, 9, 9)) / p.c[-1]


def _trend_t(p: Past, n: int) -> float:
    time, close = list(range(n)), p.c[-n:]
    slope, intercept = linear_regression(time, close)
    residual = sum((c - intercept - slope * t) ** 2 for t, c in zip(time, close, strict=True))
    spread = sum((t - fmean(time)) ** 2 for t in time)
    unexplained = residual / sum((c - fmean(close)) ** 2 for c in close)
    t = slope / math.sqrt(residual / (n - 2) / spread)
    return t if unexplained > 0.01 else math.copysign(math.sqrt((1 - unexplained) * (n - 2) / 0.01), slope)


def _rsi(p: Past, n: int) -> float:
    rises = sum(x for x in p.changes[-n:] if x > 0)
    falls = -sum(x for x in p.changes[-n:] if x < 0)
    return 100 - 100 / (1 + rises / falls) if falls else 100.0


def _cci(p: Past) -> float:
    recent = p.typical[-20:]
    return (recent[-1] - fmean(recent)) / (0.015 * fmean(abs(x - fmean(recent)) for x in recent))


def _max_drawdown(p: Past, n: int) -> float:
    close = p.c[-n:]
    return min(later / earlier - 1 for i, earlier in enumerate(close) for later in close[i:])


def _sign(x: float) -> int:
    return (x > 0) - (x < 0)


def _log_share(part: float, whole: float) -> float:
    return math.log(max(part / whole, 0.01))


def _illiquidity(p: Past, n: int) -> float:
    days = list(zip(p.returns, p.typical[1:], p.v[1:], strict=True))[-n:]
    return fmean(abs(r) / (price * v) if v else 0.0 for r, price, v in days)


def _vwap(p: Past, n: int) -> float:
    return sum(x * v for x, v in zip(p.typical[-n:], p.v[-n:], strict=True)) / sum(p.v[-n:])


def _money_flow(p: Past, n: int) -> float:
    flows = [(b - a, b * v) for a, b, v in zip(p.typical, p.typical[1:], p.v[1:], strict=False)][-n:]
    return 50 + 50 * sum(_sign(move) * value for move, value in flows) / sum(value for _, value in flows)


def _month_end(day: date) -> date:
    return (day.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)


def _quarter_end(day: date) -> date:
    return _month_end(day.replace(month=(day.month + 2) // 3 * 3, day=1))


def _coming(p: Past, sessions: int) -> date:
    day = p.d[-1] + timedelta(days=1)
    while day.weekday() > 4 and day - timedelta(days=7) not in p.d[-sessions:]:
        day += timedelta(days=1 if day.weekday() == 6 else 2)
    return day


def _since_largest(sizes: Sequence[float]) -> float:
    """Return how many values stand behind the last that is as large as any, but for 1e-10."""
    return float(min(back for back, size in enumerate(reversed(sizes)) if size >= max(sizes) - 1e-10))


def _anniversary(p: Past, weeks: int, days: int, sizes: Sequence[float]) -> float:
    sessions = {12: 67, 13: 67, 14: 72, 26: 132, 39: 197, 51: 252, 52: 252}[weeks]
    then = _coming(p, sessions) - timedelta(days=7 * weeks)
    pairs = zip(sizes[-sessions:], p.d[-sessions:], strict=True)
    near = [size for size, day in pairs if abs((day - then).days) <= days]
    return math.log(max(*near, 1e-5) / _session_volatility(p, sessions)) if near else 0.0


def _recurring(p: Past, quarters: int, days: int, sizes: Sequence[float]) -> list[float]:
    sessions = {4: 252, 8: 508}[quarters]
    coming, usual = _coming(p, sessions), _session_volatility(p, sessions)
    pairs = list(zip(sizes[-sessions:], p.d[-sessions:], strict=True))
    found: list[float] = []
    for quarter in range(1, quarters + 1):
        then = coming - timedelta(days=91 * quarter)
        near = [size for size, day in pairs if abs((day - then).days) <= days]
        found.append(math.log(max(*near, 1e-5) / usual) if near else 0.0)
    return found


def _volatilities(p: Past) -> list[float]:
    return [math.sqrt(x) for x in _session(p)]


ORACLES: dict[str, Callable[..., float]] = {
    r"log_close_open": lambda p: math.log(p.c[-1] / p.o[-1]),
    r"log_high_low": lambda p: math.log(p.h[-1] / p.l[-1]),
    r"log_high_open": lambda p: math.log(p.h[-1] / p.o[-1]),
    r"log_low_open": lambda p: math.log(p.l[-1] / p.o[-1]),
    r"log_true_range": lambda p: math.log(max(p.h[-1], p.c[-2]) / min(p.l[-1], p.c[-2])),
    r"body_share": lambda p: (p.c[-1] - p.o[-1]) / (p.h[-1] - p.l[-1]),
    r"upper_wick_share": lambda p: (p.h[-1] - max(p.o[-1], p.c[-1])) / (p.h[-1] - p.l[-1]),
    r"lower_wick_share": lambda p: (min(p.o[-1], p.c[-1]) - p.l[-1]) / (p.h[-1] - p.l[-1]),
    r"close_position": lambda p: p.positions[-1],
    r"day_of_week": lambda p: p.d[-1].weekday(),
    r"month": lambda p: p.d[-1].month,
    r"day_of_month": lambda p: p.d[-1].day,
    r"days_to_month_end": lambda p: (_month_end(p.d[-1]) - p.d[-1]).days,
    r"days_to_quarter_end": lambda p: (_quarter_end(p.d[-1]) - p.d[-1]).days,
    r"days_since_previous_bar": lambda p: (p.d[-1] - p.d[-2]).days,
    r"log_return_(\d+)": lambda p, n: math.log(p.c[-1]) - math.log(p.c[-1 - n]),
    r"log_return_1_lag_(\d+)": lambda p, lag: p.returns[-1 - lag],
    r"overnight_return": lambda p: p.gaps[-1],
    r"overnight_return_(\d+)": lambda p, n: sum(p.gaps[-n:]),
    r"intraday_return_(\d+)": lambda p, n: sum(p.bodies[-n:]),
    r"standardised_return_(\d+)_(\d+)": lambda p, k, n: sum(p.returns[-k:]) / (math.sqrt(k) * _rms(p.returns[-n:])),
    r"return_skewness_(\d+)": lambda p, n: fmean(r**3 for r in p.returns[-n:]) / _rms(p.returns[-n:]) ** 3,
    r"return_autocorrelation_(\d+)": lambda p, n: (
        sum(p.returns[-i] * p.returns[-i - 1] for i in range(1, n)) / sum(r**2 for r in p.returns[-n:])
    ),
    r"overnight_variance_share_(\d+)": lambda p, n: sum(g**2 for g in p.gaps[-n:]) / sum(_session(p)[-n:]),
    r"parkinson_(\d+)": _parkinson,
    r"garman_klass_(\d+)": lambda p, n: math.sqrt(fmean(_gk(p)[-n:])),
    r"rogers_satchell_(\d+)": lambda p, n: math.sqrt(fmean(_rs(p)[-n:])),
    r"yang_zhang_(\d+)": _yang_zhang,
    r"session_volatility_(\d+)": _session_volatility,
    r"realised_volatility_(\d+)": lambda p, n: stdev(p.returns[-n:]),
    r"parkinson_log_ratio_(\d+)_(\d+)": lambda p, a, b: math.log(_parkinson(p, a) / _parkinson(p, b)),
    r"session_volatility_log_ratio_(\d+)_(\d+)": lambda p, a, b: math.log(
        _session_volatility(p, a) / _session_volatility(p, b)
    ),
    r"session_volatility_lag_(\d+)_log_ratio_1_(\d+)": lambda p, lag, n: math.log(
        _session_volatility(p.back(lag), 1) / _session_volatility(p, n)
    ),
    r"volatility_of_volatility_(\d+)": lambda p, n: (
        stdev(math.sqrt(x) for x in _session(p)[-n:]) / fmean(math.sqrt(x) for x in _session(p)[-n:])
    ),
    r"close_to_range_log_ratio_(\d+)": lambda p, n: math.log(_rms(p.returns[-n:]) / _parkinson(p, n)),
    r"signed_variance_share_(\d+)": lambda p, n: (
        sum(_sign(r) * r**2 for r in p.returns[-n:]) / sum(r**2 for r in p.returns[-n:])
    ),
    r"ma_distance_(\d+)": lambda p, n: p.c[-1] / fmean(p.c[-n:]) - 1,
    r"ma_cross_(\d+)_(\d+)": lambda p, a, b: fmean(p.c[-a:]) / fmean(p.c[-b:]) - 1,
    r"ema_distance_(\d+)": lambda p, span: p.c[-1] / _ema(p.c, span, {5: 22, 21: 64, 63: 253}[span]) - 1,
    r"close_z_score_(\d+)": lambda p, n: (p.c[-1] - fmean(p.c[-n:])) / stdev(p.c[-n:]),
    r"trend_t_(\d+)": _trend_t,
    r"efficiency_ratio_(\d+)": lambda p, n: abs(p.c[-1] - p.c[-1 - n]) / sum(abs(x) for x in p.changes[-n:]),
    r"rsi_(\d+)": _rsi,
    r"stochastic_(\d+)": lambda p, n: 100 * (p.c[-1] - min(p.l[-n:])) / (max(p.h[-n:]) - min(p.l[-n:])),
    r"cci_20": _cci,
    r"macd_12_26": lambda p: _macd(p, 64) / p.c[-1],
    r"macd_histogram_12_26_9": _macd_histogram,
    r"up_share_(\d+)": lambda p, n: fmean(1.0 if x > 0 else 0.5 if x == 0 else 0.0 for x in p.changes[-n:]),
    r"momentum_252_21": lambda p: math.log(p.c[-22] / p.c[-253]),
    r"from_high_(\d+)": lambda p, n: p.c[-1] / max(p.h[-n:]) - 1,
    r"from_low_(\d+)": lambda p, n: p.c[-1] / min(p.l[-n:]) - 1,
    r"max_drawdown_(\d+)": _max_drawdown,
    r"standardised_drawdown_(\d+)": lambda p, n: (
        math.log(p.c[-1] / max(p.h[-n:])) / (math.sqrt(n) * _rms(p.returns[-n:]))
    ),
    r"sessions_since_high_(\d+)": lambda p, n: p.h[: -n - 1 : -1].index(max(p.h[-n:])),
    r"sessions_since_low_(\d+)": lambda p, n: p.l[: -n - 1 : -1].index(min(p.l[-n:])),
    r"volume_log_ratio_(\d+)": lambda p, n: _log_share(p.v[-1], fmean(p.v[-n:])),
    r"volume_trend_(\d+)_(\d+)": lambda p, a, b: _log_share(fmean(p.v[-a:]), fmean(p.v[-b:])),
    r"on_balance_share_(\d+)": lambda p, n: (
        sum(_sign(x) * v for x, v in zip(p.changes[-n:], p.v[-n:], strict=True)) / sum(p.v[-n:])
    ),
    r"illiquidity_log_ratio_(\d+)_(\d+)": lambda p, a, b: _log_share(_illiquidity(p, a), _illiquidity(p, b)),
    r"price_volume_correlation_(\d+)": lambda p, n: correlation(p.returns[-n:], p.v[-n:]),
    r"vwap_distance_(\d+)": lambda p, n: p.c[-1] / _vwap(p, n) - 1,
    r"money_flow_(\d+)": _money_flow,
    r"accumulation_(\d+)": lambda p, n: (
        sum(x * v for x, v in zip(p.positions[-n:], p.v[-n:], strict=True)) / sum(p.v[-n:])
    ),
    r"volatility_to_lower_third_(\d+)": lambda p, n: math.log(_session_volatility(p, n)) - _third(p, 1),
    r"volatility_to_upper_third_(\d+)": lambda p, n: math.log(_session_volatility(p, n)) - _third(p, 2),
    r"middle_third_width": lambda p: _third(p, 2) - _third(p, 1),
    r"median_to_mean_volatility_(\d+)": lambda p, n: math.log(
        median(_volatilities(p)[-n:]) / _session_volatility(p, n)
    ),
    r"geometric_to_mean_volatility_(\d+)": lambda p, n: (
        fmean(math.log(x) for x in _volatilities(p)[-n:]) - math.log(_session_volatility(p, n))
    ),
    r"overnight_share_of_variance_(\d+)": lambda p, n: fmean(x**2 for x in p.gaps[-n:]) / fmean(_session(p)[-n:]),
    r"largest_gaps_share_252": lambda p: sum(sorted(x**2 for x in p.gaps[-252:])[-4:]) / sum(_session(p)[-252:]),
    r"variance_unevenness_(\d+)": lambda p, n: math.log(
        fmean(x**2 for x in _session(p)[-n:]) / fmean(_session(p)[-n:]) ** 2
    ),
    r"volatility_(\d+)_sessions_before": lambda p, n: math.log(
        _volatilities(p)[-n] / _session_volatility(p, 63 if n < 100 else 252)
    ),
    r"volume_a_quarter_before": lambda p: _log_share(max(p.v[-66:-59]), fmean(p.v[-63:])),
    r"volume_a_year_before": lambda p: _log_share(max(p.v[-252:-247]), fmean(p.v[-252:])),
    r"sessions_since_largest_variance_(\d+)": lambda p, n: _since_largest(_session(p)[-n:]),
    r"largest_to_mean_volatility_(\d+)": lambda p, n: math.log(max(_volatilities(p)[-n:]) / _session_volatility(p, 63)),
    r"volatility_(\d+)_weeks_before": lambda p, weeks: _anniversary(p, weeks, 0, _volatilities(p)),
    r"volatility_(\d+)_weeks_before_within_(\d+)": lambda p, weeks, days: _anniversary(
        p, weeks, days, _volatilities(p)
    ),
    r"gap_(\d+)_weeks_before_within_(\d+)": lambda p, weeks, days: _anniversary(
        p, weeks, days, [abs(x) for x in p.gaps]
    ),
    r"mean_volatility_at_(\d+)_quarters_within_(\d+)": lambda p, q, days: fmean(
        _recurring(p, q, days, _volatilities(p))
    ),
    r"low_volatility_at_(\d+)_quarters_within_(\d+)": lambda p, q, days: sorted(
        _recurring(p, q, days, _volatilities(p))
    )[q // 4 - 1],
    r"mean_gap_at_(\d+)_quarters_within_(\d+)": lambda p, q, days: fmean(
        _recurring(p, q, days, [abs(x) for x in p.gaps])
    ),
    r"low_gap_at_(\d+)_quarters_within_(\d+)": lambda p, q, days: sorted(
        _recurring(p, q, days, [abs(x) for x in p.gaps])
    )[q // 4 - 1],
    r"volume_variation_(\d+)": lambda p, n: stdev(p.v[-n:]) / fmean(p.v[-n:]),
}


def oracle(name: str, past: Past) -> float:
    """Return what the named feature should be on the last bar of the past."""
    for pattern, formula in ORACLES.items():
        if found := re.fullmatch(pattern, name):
            return float(formula(past, *(int(number) for number in found.groups())))
    raise LookupError(f"no oracle for {name}: write its formula again in plain Python")

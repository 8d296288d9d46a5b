"""Files that a regime model exports beside its weights, for people and other programs."""

import csv
import io
from collections.abc import Mapping

import msgspec
import numpy as np

from feature_mapper.bars import Bars
from models.families.hmm import GaussianHmm
from models.regime import observations, window


def regime_exports(fitted: GaussianHmm, series: Mapping[str, Bars], width: int) -> dict[str, bytes]:
    """Return ``transition_matrix.csv``, ``regime_stats.json`` and ``regimes.csv`` (one row a training bar)."""
    return {
        "transition_matrix.csv": _transition_matrix(fitted),
        "regime_stats.json": _stats(fitted),
        "regimes.csv": _regimes(fitted, series, width),
    }


def _transition_matrix(fitted: GaussianHmm) -> bytes:
    rows = [["from", *fitted.states]]
    rows += [[state, *map(repr, row)] for state, row in zip(fitted.states, fitted.transitions.tolist(), strict=True)]
    return _csv(rows)


def _stats(fitted: GaussianHmm) -> bytes:
    """Means, spreads and durations of each state; return in log units a session, volatility as a log of it."""
    stats = {
        state: {
            "mean_log_return": float(mean[0]),
            "std_log_return": float(np.sqrt(covariance[0, 0])),
            "median_range_volatility": float(np.exp(mean[1])),
            "share_of_time": float(share),
            "expected_duration": float(duration),
        }
        for state, mean, covariance, share, duration in zip(
            fitted.states, fitted.means, fitted.covariances, fitted.start, fitted.expected_duration, strict=True
        )
    }
    return msgspec.json.format(msgspec.json.encode({"states": stats, "fit": fitted.record}), indent=1) + b"\n"


def _regimes(fitted: GaussianHmm, series: Mapping[str, Bars], width: int) -> bytes:
    """Filtered regimes, each from the ``width`` bars up to its day at most: what the service would have said."""
    rows = [["symbol", "date", "regime", *(f"probability_{state}" for state in fitted.states)]]
    for symbol, bars in series.items():
        if bars.date is None or len(bars) < 2:  # a return needs two bars
            continue
        posterior = fitted.filter_windows(*window(observations(bars)[1:], width, len(bars) - 1))
        best = np.argmax(posterior, axis=1)
        rows += [
            [symbol, str(day), fitted.states[at], *(f"{share:.6f}" for share in shares)]
            for day, at, shares in zip(bars.date[1:], best.tolist(), posterior.tolist(), strict=True)
        ]
    return _csv(rows)


def _csv(rows: list[list[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()

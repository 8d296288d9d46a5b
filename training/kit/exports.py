"""Files that a regime model exports beside its weights, for people and other programs."""

import csv
import io
from collections.abc import Mapping

import msgspec
import numpy as np

from feature_mapper.bars import Bars
from models.families.hmm import GaussianHmm
from models.sessions import windows
from models.states import States


def regime_exports(fitted: States, series: Mapping[str, Bars], width: int) -> dict[str, bytes]:
    """Return ``transition_matrix.csv``, ``regime_stats.json`` and ``regimes.csv`` (one row a training bar)."""
    return {
        "transition_matrix.csv": _transition_matrix(fitted.hmm),
        "regime_stats.json": _stats(fitted),
        "regimes.csv": _regimes(fitted, series, width),
    }


def _transition_matrix(fitted: GaussianHmm) -> bytes:
    rows = [["from", *fitted.states]]
    rows += [[state, *map(repr, row)] for state, row in zip(fitted.states, fitted.transitions.tolist(), strict=True)]
    return _csv(rows)


def _stats(fitted: States) -> bytes:
    """Means, spreads and durations of each state, of what is observed: volatility is in spreads above the level."""
    model = fitted.hmm
    stats = {
        state: {
            "mean_return_over_volatility": float(mean[0]),
            "std_return_over_volatility": float(np.sqrt(covariance[0, 0])),
            "mean_log_volatility_in_spreads": float(mean[1]),
            "std_log_volatility_in_spreads": float(np.sqrt(covariance[1, 1])),
            "share_of_time": float(share),
            "expected_duration": float(duration),
        }
        for state, mean, covariance, share, duration in zip(
            model.states, model.means, model.covariances, model.start, model.expected_duration, strict=True
        )
    }
    told = {"states": stats, "habit": fitted.habit, "fit": model.record}
    return msgspec.json.format(msgspec.json.encode(told), indent=1) + b"\n"


def _regimes(fitted: States, series: Mapping[str, Bars], width: int) -> bytes:
    """Filtered regimes, each from the ``width`` bars up to its day at most.

    From the first ``width`` bars on that is what the service says; with fewer it reads a shorter tier.
    """
    rows = [["symbol", "date", "regime", *(f"probability_{state}" for state in fitted.hmm.states)]]
    for symbol, bars in series.items():
        if bars.date is None or len(bars) < 2:  # a return needs two bars
            continue
        posterior = fitted.filter(windows(bars, width, len(bars) - 1))
        best = np.argmax(posterior, axis=1)
        rows += [
            [symbol, str(day), fitted.hmm.states[at], *(f"{share:.6f}" for share in shares)]
            for day, at, shares in zip(bars.date[1:], best.tolist(), posterior.tolist(), strict=True)
        ]
    return _csv(rows)


def _csv(rows: list[list[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()

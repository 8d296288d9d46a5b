"""Yahoo Finance as a source of daily bars: asked politely, judged before it is believed."""

from data.sources.yahoo.outcomes import Correction, Failure, Got, Outcome, Restated, Stale, Usable, is_usable
from data.sources.yahoo.series import YahooSeries
from data.sources.yahoo.source import Progress, Yahoo, summary
from data.sources.yahoo.wire import open_session

__all__ = [
    "Correction",
    "Failure",
    "Got",
    "Outcome",
    "Progress",
    "Restated",
    "Stale",
    "Usable",
    "Yahoo",
    "YahooSeries",
    "is_usable",
    "open_session",
    "summary",
]

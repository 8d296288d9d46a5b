"""What the service counts about itself, for Prometheus."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

MEDIA_TYPE: Final = CONTENT_TYPE_LATEST
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """Counters of one application. Each label takes values from a closed list, so that no client can grow them.

    Attributes
    ----------
    registry : CollectorRegistry
        Holds all of them; further metrics register here.
    fallbacks : Counter
        Answers by a rule of thumb, by ``model`` and ``reason``.
    abstentions : Counter
        Reasons not to act on an answer that was given, by ``model`` and ``reason``.
    models : Gauge
        1 for the version of a ``model`` that serves, by ``model`` and ``version``.

    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "barcast_requests", "Requests answered.", ("method", "route", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "barcast_request_duration_seconds",
            "Time from the first byte of a request to the last of its answer.",
            ("method", "route"),
            buckets=SECONDS,
            registry=self.registry,
        )
        self.fallbacks = Counter(
            "barcast_fallbacks", "Answers by a rule of thumb.", ("model", "reason"), registry=self.registry
        )
        self.abstentions = Counter(
            "barcast_abstain",
            "Reasons not to act on an answer, by each of its reasons.",
            ("model", "reason"),
            registry=self.registry,
        )
        self.models = Gauge("barcast_model_info", "Versions that serve.", ("model", "version"), registry=self.registry)
        # Looking a child up by its labels costs more than counting.
        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request; ``route`` is the template of its path, such as ``/models/{model}``."""
        key = (method if method in METHODS else "other", route, status)
        children = self._children.get(key)
        if children is None:
            children = (self._requests.labels(key[0], route, status), self._seconds.labels(key[0], route))
            self._children[key] = children
        children[0].inc()
        children[1].observe(seconds)

    def render(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self.registry)

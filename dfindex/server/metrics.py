"""What the service measures of itself, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.responses import Response

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """The counters of one service; each has a registry of its own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "dfindex_requests",
            "Requests by route, method and status.",
            ("route", "method", "status"),
            registry=self._registry,
        )
        self.seconds = Histogram(
            "dfindex_request_seconds",
            "Time to answer, by route.",
            ("route",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.stages = Histogram(
            "dfindex_stage_seconds",
            "Time of a search's stages: embed, retrieve, verify.",
            ("stage",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.batches = Histogram(
            "dfindex_batch_size",
            "How many requests were answered together, by stage.",
            ("stage",),
            buckets=(1, 2, 4, 8, 16, 32, 64),
            registry=self._registry,
        )
        self.upload_bytes = Counter(
            "dfindex_upload_bytes", "Bytes of uploaded files.", registry=self._registry
        )

    def watch(self, name: str, words: str, read: Callable[[], float]) -> None:
        """Expose a number that is read when it is asked for."""
        Gauge(name, words, registry=self._registry).set_function(read)

    def timed(self, timing_ms: dict[str, float]) -> None:
        """Note the stages of one search."""
        for stage in ("embed", "retrieve", "verify"):
            self.stages.labels(stage).observe(timing_ms[stage] / 1000)

    def response(self) -> Response:
        """Return all of them as Prometheus reads them."""
        return Response(generate_latest(self._registry), media_type=CONTENT_TYPE_LATEST)

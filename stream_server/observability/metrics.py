"""The server's Prometheus metrics, in a registry of their own: two servers share no counts."""

import math
from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_LATENCY_BUCKETS_S = (0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.5, 2.5)
_STAGE_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.12, 0.16, 0.25, 0.5, 1.0)
_SKEW_BUCKETS_S = (-0.125, -0.08, -0.04, -0.02, 0.0, 0.02, 0.04, 0.08, 0.125)
_DURATION_BUCKETS_S = (1, 5, 15, 60, 300, 900, 1800, 3600)


class ServerMetrics:
    """Counts for all sessions; labels never name a session. Implements ``SessionMetrics``."""

    def __init__(self, *, version: str, model: str) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        own = self.registry
        self._build = Gauge("emolive_build_info", "Always 1.", ["version", "model"], registry=own)
        self._build.labels(version, model).set(1)
        self._sessions_active = Gauge("emolive_sessions_active", "Sessions now.", registry=own)
        self._slots = Gauge(
            "emolive_session_slots", "Places for sessions.", ["state"], registry=own
        )
        self._ended = Counter(
            "emolive_sessions", "Sessions ended, by reason.", ["result"], registry=own
        )
        self._duration = Histogram(
            "emolive_session_duration_seconds",
            "From offer to close.",
            buckets=_DURATION_BUCKETS_S,
            registry=own,
        )
        self._rejected = Counter(
            "emolive_admission_rejected", "Offers refused, by reason.", ["reason"], registry=own
        )
        self._mic_to_lips = Histogram(
            "emolive_mic_to_lips_seconds",
            "Sound captured to its frame handed to the encoder.",
            buckets=_LATENCY_BUCKETS_S,
            registry=own,
        )
        self._stage = Histogram(
            "emolive_stage_seconds",
            "Time in a stage of the pipeline.",
            ["stage"],
            buckets=_STAGE_BUCKETS_S,
            registry=own,
        )
        self._realtime_factor = Gauge(
            "emolive_realtime_factor",
            "Compute time of the latest batch over the time it shows; must stay below 1.",
            registry=own,
        )
        self._frames = Counter(
            "emolive_frames", "Frames by fate: shown, held, skipped.", ["fate"], registry=own
        )
        self._dropped = Counter(
            "emolive_channel_dropped", "Items dropped from a full queue.", ["channel"], registry=own
        )
        self._skew = Histogram(
            "emolive_av_skew_seconds",
            "Picture behind its sound; negative when ahead.",
            buckets=_SKEW_BUCKETS_S,
            registry=own,
        )
        self._restarts = Gauge(
            "emolive_worker_restarts_total",
            "Times the model process was started again.",
            registry=own,
        )

    def observe_mic_to_lips(self, seconds: float) -> None:
        self._mic_to_lips.observe(seconds)

    def observe_stage(self, stage: str, seconds: float) -> None:
        self._stage.labels(stage).observe(seconds)

    def observe_skew(self, seconds: float) -> None:
        self._skew.observe(seconds)

    def count_frame(self, fate: str) -> None:
        self._frames.labels(fate).inc()

    def count_dropped(self, channel: str, count: int) -> None:
        self._dropped.labels(channel.partition("/")[0]).inc(count)  # "chunks/<id>": never the id

    def count_rejected(self, reason: str) -> None:
        self._rejected.labels(reason).inc()

    def count_ended(self, reason: str, duration_s: float) -> None:
        self._ended.labels(reason).inc()
        self._duration.observe(duration_s)

    def watch_sessions(self, active: Callable[[], int], limit: int) -> None:
        """Read the number of sessions at every scrape."""
        self._sessions_active.set_function(active)
        self._slots.labels("used").set_function(active)
        self._slots.labels("free").set_function(lambda: max(0, limit - active()))

    def watch_engine(
        self, restarts: Callable[[], int], realtime_factor: Callable[[], float | None]
    ) -> None:
        """Read the model process's state at every scrape."""
        self._restarts.set_function(restarts)
        self._realtime_factor.set_function(lambda: realtime_factor() or math.nan)

    def exposition(self) -> bytes:
        return generate_latest(self.registry)

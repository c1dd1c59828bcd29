"""The words of a session that others use too: how it ends, what may be chosen, where it reports."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, Protocol

from realtime_model.contract import StreamOptions


class EndReason(StrEnum):
    """Why a session ended; a metric label and the ``reason`` of the event ``session.ended``."""

    CLIENT_LEFT = "client_left"
    DELETED = "deleted"
    CONNECT_TIMEOUT = "connect_timeout"
    PEER_LOST = "peer_lost"
    IDLE = "idle"
    MAX_DURATION = "max_duration"
    DRAINING = "draining"
    FAILED = "failed"


class SessionMetrics(Protocol):
    """Where a session reports; implemented once, shared by all sessions."""

    def observe_mic_to_lips(self, seconds: float) -> None: ...

    def count_frame(self, fate: Literal["shown", "held", "skipped"]) -> None: ...

    def count_dropped(self, channel: str, count: int) -> None: ...

    def observe_stage(self, stage: str, seconds: float) -> None: ...

    def observe_skew(self, seconds: float) -> None: ...


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """What may differ between sessions.

    Attributes:
        stream: what the person chose for the model.
        ice_include_loopback: offer 127.0.0.1 as a candidate.
        connect_timeout_s: an answered offer must connect within this time.
        pause_after_s: rendering pauses when the peer has been silent this long.
        lost_after_s: the session ends when the peer has been silent this long.
        max_duration_s: longest session.
        idle_timeout_s: a session without speech or message ends after this time.
    """

    stream: StreamOptions = field(default_factory=StreamOptions)
    ice_include_loopback: bool = True
    connect_timeout_s: float = 10.0
    pause_after_s: float = 5.0
    lost_after_s: float = 20.0
    max_duration_s: float = 3_600.0
    idle_timeout_s: float = 300.0


@dataclass(frozen=True, slots=True)
class SessionStats:
    """A look at a running session."""

    session_id: str
    is_connected: bool
    age_s: float
    epoch: int
    fps: float
    mic_to_lips_p50_s: float | None
    mic_to_lips_p95_s: float | None

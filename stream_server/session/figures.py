"""What a session knows about its own last seconds. Pure."""

from collections import deque
from dataclasses import dataclass
from typing import Final

from stream_server.pipeline.playout import Beat

_KEPT_BEATS: Final = 250  # 10 s


@dataclass(frozen=True, slots=True)
class Summary:
    """Figures since the previous summary; delays over the last ten seconds.

    Attributes:
        fps: rendered frames shown per second.
        late_frames: beats whose frame was missing.
        dropped_frames: frames rendered and never shown.
        mic_to_lips_p50_s: median age of the sound when its frame is handed to the encoder.
        mic_to_lips_p95_s: the same, 95th percentile.
        av_skew_s: by how much the picture lagged the sound on average.
    """

    fps: float
    late_frames: int
    dropped_frames: int
    mic_to_lips_p50_s: float | None
    mic_to_lips_p95_s: float | None
    av_skew_s: float


class SessionFigures:
    """Counts beats; every `summarise` starts a new count."""

    def __init__(self, frame_s: float, now_s: float) -> None:
        self._frame_s = frame_s
        self._since_s = now_s
        self._delays_s: deque[float] = deque(maxlen=_KEPT_BEATS)
        self._shown = self._late = self._dropped = 0
        self._lags: list[int] = []
        self.latest = Summary(0.0, 0, 0, None, None, 0.0)

    def observe(self, beat: Beat) -> None:
        self._late += beat.is_late
        self._dropped += beat.skipped
        if beat.position is None or beat.shown is None:
            return
        self._lags.append(beat.position - beat.shown)
        if beat.shown == beat.position:
            self._shown += 1
            if beat.delay_s is not None:
                self._delays_s.append(beat.delay_s)

    def count_dropped(self, frames: int) -> None:
        """Note frames that came too late to be shown."""
        self._dropped += frames

    def summarise(self, now_s: float) -> Summary:
        span_s = max(now_s - self._since_s, self._frame_s)
        self.latest = Summary(
            fps=self._shown / span_s,
            late_frames=self._late,
            dropped_frames=self._dropped,
            mic_to_lips_p50_s=_percentile(self._delays_s, 0.50),
            mic_to_lips_p95_s=_percentile(self._delays_s, 0.95),
            av_skew_s=self._frame_s * sum(self._lags) / len(self._lags) if self._lags else 0.0,
        )
        self._since_s = now_s
        self._shown = self._late = self._dropped = 0
        self._lags.clear()
        return self.latest


def _percentile(values: deque[float], share: float) -> float | None:
    if not values:
        return None
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

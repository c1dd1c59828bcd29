"""A `SessionMetrics` that remembers."""

from collections import Counter
from typing import Literal


class RecordingMetrics:
    def __init__(self) -> None:
        self.mic_to_lips_s: list[float] = []
        self.skews_s: list[float] = []
        self.frames: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()
        self.stages: dict[str, list[float]] = {}

    def observe_mic_to_lips(self, seconds: float) -> None:
        self.mic_to_lips_s.append(seconds)

    def count_frame(self, fate: Literal["shown", "held", "skipped"]) -> None:
        self.frames[fate] += 1

    def count_dropped(self, channel: str, count: int) -> None:
        self.dropped[channel] += count

    def observe_stage(self, stage: str, seconds: float) -> None:
        self.stages.setdefault(stage, []).append(seconds)

    def observe_skew(self, seconds: float) -> None:
        self.skews_s.append(seconds)

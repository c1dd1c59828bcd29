import numpy as np
import pytest

from stream_server.pipeline.playout import Beat
from stream_server.session.figures import SessionFigures


def beat(
    position: int | None = 5, shown: int | None = 5, delay_s: float = 0.4, **changes: object
) -> Beat:
    fields: dict[str, object] = {
        "voice": np.zeros(1_920, np.int16),
        "image": np.zeros((6, 4), np.uint8),
        "position": position,
        "shown": shown,
        "is_late": False,
        "is_speech": True,
        "skipped": 0,
        "delay_s": delay_s,
    }
    return Beat(**(fields | changes))  # type: ignore[arg-type]


def test_a_steady_second() -> None:
    figures = SessionFigures(0.04, 10.0)
    for n in range(25):
        figures.observe(beat(n, n, 0.30 + n / 250))
    summary = figures.summarise(11.0)
    assert summary.fps == pytest.approx(25)
    assert summary.mic_to_lips_p50_s == pytest.approx(0.348)
    assert summary.mic_to_lips_p95_s == pytest.approx(0.392)
    assert (summary.late_frames, summary.dropped_frames, summary.av_skew_s) == (0, 0, 0)


def test_held_frames_are_late_not_shown_and_skew_the_picture() -> None:
    figures = SessionFigures(0.04, 10.0)
    figures.observe(beat(6, 5, is_late=True))
    figures.observe(beat(7, 5, is_late=True))
    summary = figures.summarise(11.0)
    assert (summary.fps, summary.late_frames) == (0, 2)
    assert summary.av_skew_s == pytest.approx(0.06)


def test_every_summary_starts_anew() -> None:
    figures = SessionFigures(0.04, 10.0)
    figures.observe(beat(skipped=3))
    figures.count_dropped(2)
    assert figures.summarise(11.0).dropped_frames == 5
    assert figures.summarise(12.0).dropped_frames == 0
    assert figures.latest.fps == 0


def test_nothing_shown_means_no_figures() -> None:
    figures = SessionFigures(0.04, 10.0)
    figures.observe(beat(None, None))
    assert figures.summarise(11.0).mic_to_lips_p95_s is None

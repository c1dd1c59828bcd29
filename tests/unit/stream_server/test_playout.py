"""The playout clock against a simulated microphone and a simulated renderer."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_model.geometry import WindowGeometry
from stream_server.media import AudioPacket, RenderedChunk
from stream_server.pipeline.playout import Beat, Playout

GEOMETRY = WindowGeometry()
FRAME, HOP, FRAME_S = GEOMETRY.samples_per_frame, GEOMETRY.hop_frames, GEOMETRY.frame_s
RESTING = np.zeros((6, 4), np.uint8)
FIRST_DELAY_S = 0.36


def voice_of(position: int) -> np.ndarray:
    """Return sound that tells which position it is."""
    return np.full(3 * FRAME, 100 + position % 30_000, np.int16)


def image_of(position: int) -> np.ndarray:
    return np.full((6, 4), 1 + position % 250, np.uint8)


@dataclass
class Stage:
    """Feeds a playout in steps of 20 ms: voice as it is spoken, chunks as they are rendered."""

    render_s: float = 0.08
    is_speech: bool = True
    max_delay_s: float = 1.0
    now_s: float = 100.0
    epoch: int = 0
    beats: list[Beat] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.playout = Playout(
            GEOMETRY, RESTING, initial_delay_s=FIRST_DELAY_S, max_delay_s=self.max_delay_s
        )
        self.step = 0
        self.in_work: list[tuple[float, RenderedChunk]] = []
        self.renders = True

    def run(self, seconds: float) -> list[Beat]:
        """Let time pass and return the beats of it."""
        before = len(self.beats)
        for _ in range(round(seconds / 0.02)):
            self.now_s += 0.02
            self.step += 1
            self._speak()
            self._render()
            if self.step % 2 == 0:
                self.beats.append(self.playout.beat(self.now_s))
        return self.beats[before:]

    def _speak(self) -> None:
        start = (self.step - 1) * FRAME // 2
        voice = voice_of((self.step - 1) // 2)[: 3 * FRAME // 2]
        packet = AudioPacket(start, np.zeros(FRAME // 2, np.float32), voice)
        self.playout.push_voice(packet, self.is_speech, self.now_s)

    def _render(self) -> None:
        chunk, rest = divmod(self.step * FRAME // 2 - GEOMETRY.lookahead_samples, HOP * FRAME)
        if rest == 0 and chunk >= 1 and self.renders:
            frames = np.stack([image_of((chunk - 1) * HOP + k) for k in range(HOP)])
            done_s = self.now_s + self.render_s
            self.in_work.append((done_s, RenderedChunk(frames, chunk - 1, self.epoch, 0.0)))
        while self.in_work and self.in_work[0][0] <= self.now_s + 1e-9:
            self.playout.push_chunk(self.in_work.pop(0)[1], self.now_s)


def assert_paired(beats: list[Beat]) -> None:
    """Each frame goes out with the exact sound that made it."""
    for beat in beats:
        if beat.position is not None:
            np.testing.assert_array_equal(beat.voice, voice_of(beat.position))
        if beat.shown is not None:
            np.testing.assert_array_equal(beat.image, image_of(beat.shown))


def test_before_any_sound_the_resting_frame_is_shown_in_silence() -> None:
    playout = Playout(GEOMETRY, RESTING, initial_delay_s=FIRST_DELAY_S, max_delay_s=1.0)
    beat = playout.beat(100.0)
    assert beat.image is RESTING
    assert not beat.voice.any()
    assert not beat.is_late


def test_every_frame_plays_once_in_order_with_its_own_sound() -> None:
    beats = Stage().run(8)
    playing = [beat for beat in beats if beat.position is not None]
    assert [beat.position for beat in playing] == list(range(len(playing)))
    assert all(beat.shown == beat.position for beat in playing)
    assert len(playing) >= 8 * 25 - 12
    assert_paired(beats)


def test_delay_is_the_age_of_the_sound() -> None:
    beats = Stage().run(4)
    assert beats[-1].delay_s == pytest.approx(FIRST_DELAY_S, abs=0.041)


def test_a_chunk_that_comes_late_once_makes_the_sound_wait_and_the_delay_grow() -> None:
    stage = Stage()
    before = stage.run(4)[-1].delay_s
    stage.render_s = 0.2
    stage.run(0.3)
    stage.render_s = 0.08
    beats = stage.run(2)
    assert before is not None
    assert beats[-1].delay_s is not None
    assert 0.04 <= beats[-1].delay_s - before <= 0.2
    assert beats[-1].shown == beats[-1].position
    assert_paired(stage.beats)


def test_speech_never_stops_longer_than_200_ms_when_frames_stop_coming() -> None:
    stage = Stage()
    stage.run(4)
    stage.renders = False
    beats = stage.run(4)
    silent = [beat.position is None for beat in beats]
    assert 0 < sum(silent) <= 5
    assert not any(silent[-80:])
    last = beats[-1]
    assert last.is_late
    assert last.shown is not None
    assert last.shown < (last.position or 0)


def test_frames_that_come_back_are_shown_at_once() -> None:
    stage = Stage()
    stage.run(4)
    stage.renders = False
    stage.run(4)
    stage.renders = True
    beats = stage.run(1.5)
    assert beats[-1].shown == beats[-1].position
    assert_paired(stage.beats)


def test_delay_shrinks_in_silence_only() -> None:
    stage = Stage(render_s=0.3)
    stage.run(6)
    stage.render_s = 0.04
    talking = stage.run(6)
    grown = talking[-1].delay_s
    assert sum(beat.skipped for beat in talking) == 0
    stage.is_speech = False
    beats = stage.run(10)
    assert grown is not None
    assert beats[-1].delay_s is not None
    assert beats[-1].delay_s <= grown - 0.12
    assert all(beat.skipped <= 1 for beat in beats)
    assert not any(beat.is_late for beat in beats)


def test_delay_never_exceeds_its_limit_even_after_the_process_slept() -> None:
    stage = Stage(max_delay_s=0.6)
    stage.run(3)
    for _ in range(100):  # two seconds of voice without one beat
        stage.step += 1
        stage.now_s += 0.02
        stage._speak()
        stage._render()
    beats = stage.run(1)
    assert beats[0].skipped > 0
    assert all(beat.delay_s is not None and beat.delay_s < 0.6 + 0.09 for beat in beats)
    assert_paired(beats)


def test_interruption_silences_at_once_and_ignores_older_frames() -> None:
    stage = Stage()
    stage.run(4)
    chunk = stage.step * FRAME // 2 // (HOP * FRAME)
    stage.epoch = 1
    stage.playout.interrupt(1, resume_at=(chunk + 1) * HOP)
    stage.in_work.clear()
    first = stage.run(0.04)[0]
    assert not first.voice.any()
    assert first.image is RESTING
    assert not first.is_late
    stale = RenderedChunk(np.stack([image_of(9)] * HOP), chunk, 0, 0.0)
    assert stage.playout.push_chunk(stale, stage.now_s) == 0
    beats = stage.run(2)
    assert beats[-1].shown == beats[-1].position
    assert beats[-1].voice.any()
    resumed = [beat.shown for beat in beats if beat.shown is not None]
    assert resumed[0] >= (chunk + 1) * HOP


def test_holding_shows_the_resting_frame_and_lets_the_sound_go_on() -> None:
    stage = Stage()
    stage.run(4)
    stage.playout.is_holding = True
    stage.renders = False
    beats = stage.run(2)
    assert all(beat.image is RESTING and not beat.is_late for beat in beats)
    assert all(beat.position is not None and beat.voice.any() for beat in beats)


def test_late_frames_are_counted_not_shown() -> None:
    stage = Stage()
    stage.run(4)
    stale = RenderedChunk(np.stack([image_of(9)] * HOP), 0, 0, 0.0)
    assert stage.playout.push_chunk(stale, stage.now_s) == HOP


@given(
    st.lists(
        st.tuples(st.sampled_from([0.02, 0.06, 0.1, 0.2, 0.3, 0.5]), st.booleans(), st.booleans()),
        min_size=1,
        max_size=12,
    )
)
def test_whatever_the_renderer_does_pairs_stay_and_time_goes_on(
    phases: list[tuple[float, bool, bool]],
) -> None:
    stage = Stage()
    stage.run(1)
    for render_s, renders, is_speech in phases:
        stage.render_s, stage.renders, stage.is_speech = render_s, renders, is_speech
        stage.run(0.8)
    assert_paired(stage.beats)
    positions = [beat.position for beat in stage.beats if beat.position is not None]
    assert positions == sorted(set(positions))
    shown = [beat.shown for beat in stage.beats if beat.shown is not None]
    assert shown == sorted(shown)
    assert all(
        beat.shown <= beat.position
        for beat in stage.beats
        if beat.shown is not None and beat.position is not None
    )
    delays = [beat.delay_s for beat in stage.beats if beat.delay_s is not None]
    assert max(delays) < 1.0 + 0.09
    assert len(stage.playout._frames) <= 2.5 / FRAME_S

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stream_server.media import AudioPacket
from stream_server.pipeline.sound_line import SoundLine

FRAME = 640
VOICE = np.arange(1, 30_001, dtype=np.int16)


def packet(start: int, end: int) -> AudioPacket:
    return AudioPacket(start, np.zeros(end - start, np.float32), VOICE[3 * start : 3 * end])


def position_of(position: int) -> np.ndarray:
    return VOICE[position * 3 * FRAME : (position + 1) * 3 * FRAME]


@given(st.lists(st.integers(1, 900), min_size=1, max_size=30))
def test_a_position_holds_exactly_its_own_sound(lengths: list[int]) -> None:
    line, at = SoundLine(FRAME), 0
    for length in lengths:
        end = min(at + length, len(VOICE) // 3)
        line.push(packet(at, end), is_speech=False)
        at = end
    assert line.end == at // FRAME
    for position in range(line.end):
        np.testing.assert_array_equal(line.take(position), position_of(position))


def test_missing_sound_is_silence_in_its_place() -> None:
    line = SoundLine(FRAME)
    line.push(packet(0, FRAME), is_speech=True)
    line.push(packet(2 * FRAME, 3 * FRAME), is_speech=True)
    np.testing.assert_array_equal(line.take(1), 0)
    np.testing.assert_array_equal(line.take(2), position_of(2))
    assert [line.is_speech(position) for position in (1, 2)] == [False, True]


def test_none_is_a_position_of_silence() -> None:
    assert not SoundLine(FRAME).take(None).any()


def test_what_was_passed_by_is_gone_and_silent() -> None:
    line = SoundLine(FRAME)
    line.push(packet(0, 5 * FRAME), is_speech=True)
    line.take(4)
    assert not line.take(1).any()


def test_memory_is_bounded_to_three_seconds() -> None:
    line = SoundLine(FRAME)
    for position in range(500):
        zeros = np.zeros(FRAME, np.float32)
        line.push(AudioPacket(position * FRAME, zeros, np.ones(3 * FRAME, np.int16)), True)
    assert not line.take(424).any()
    assert line.take(425).all()
    assert line._voice.nbytes <= 3 * 96_000 + 3_840


def test_silenced_sound_keeps_its_place_on_the_line() -> None:
    line = SoundLine(FRAME)
    line.push(packet(0, FRAME), is_speech=True)
    line.silence()
    line.push(packet(FRAME, 2 * FRAME), is_speech=True)
    assert not line.is_speech(0)
    np.testing.assert_array_equal(line.take(0), 0)
    np.testing.assert_array_equal(line.take(1), position_of(1))

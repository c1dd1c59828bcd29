import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from realtime_model.geometry import WindowGeometry
from stream_server.media import AudioPacket
from stream_server.pipeline.framer import Framer

GEOMETRY = WindowGeometry(hop_frames=2, lookahead_frames=1, past_frames=3)
RNG = np.random.default_rng(7)
SOUND = RNG.uniform(-1, 1, 20 * GEOMETRY.samples_per_frame).astype(np.float32)


def packet(start: int, end: int) -> AudioPacket:
    return AudioPacket(start, SOUND[start:end], np.zeros(3 * (end - start), np.int16))


def expected_window(index: int) -> np.ndarray:
    line = np.concatenate([np.zeros(GEOMETRY.past_samples, np.float32), SOUND])
    start = index * GEOMETRY.hop_samples
    return line[start : start + GEOMETRY.window_samples]


@given(st.lists(st.integers(1, 2_000), min_size=1, max_size=40))
def test_windows_do_not_depend_on_how_the_sound_is_cut(lengths: list[int]) -> None:
    framer, at, windows = Framer(GEOMETRY), 0, []
    for length in lengths:
        end = min(at + length, len(SOUND))
        windows += framer.push(packet(at, end), is_speech=True)
        at = end
    complete = (at - GEOMETRY.lookahead_samples) // GEOMETRY.hop_samples
    assert [window.chunk_index for window in windows] == list(range(max(0, complete)))
    for window in windows:
        np.testing.assert_array_equal(window.samples, expected_window(window.chunk_index))


def test_window_comes_with_its_last_sample() -> None:
    framer = Framer(GEOMETRY)
    needed = GEOMETRY.hop_samples + GEOMETRY.lookahead_samples
    assert framer.push(packet(0, needed - 1), is_speech=True) == []
    assert len(framer.push(packet(needed - 1, needed), is_speech=True)) == 1


def test_missing_sound_is_silence_in_its_place() -> None:
    framer, spf = Framer(GEOMETRY), GEOMETRY.samples_per_frame
    framer.push(packet(0, spf), is_speech=True)
    (window,) = framer.push(packet(2 * spf, 3 * spf), is_speech=True)
    hop = window.samples[GEOMETRY.past_samples :]
    np.testing.assert_array_equal(hop[:spf], SOUND[:spf])
    np.testing.assert_array_equal(hop[spf : 2 * spf], 0)
    np.testing.assert_array_equal(hop[2 * spf :], SOUND[2 * spf : 3 * spf])


def test_repeated_sound_is_used_once() -> None:
    framer, spf = Framer(GEOMETRY), GEOMETRY.samples_per_frame
    framer.push(packet(0, 2 * spf), is_speech=True)
    (window,) = framer.push(packet(spf, 3 * spf), is_speech=True)
    np.testing.assert_array_equal(window.samples, expected_window(0))


def test_window_is_speech_when_any_part_of_its_hop_is() -> None:
    framer, spf = Framer(GEOMETRY), GEOMETRY.samples_per_frame
    windows = []
    for frame in range(9):
        windows += framer.push(packet(frame * spf, (frame + 1) * spf), is_speech=frame == 3)
    assert [window.is_speech for window in windows] == [False, True, False, False]


def test_interruption_silences_what_no_window_has_shown() -> None:
    framer, spf = Framer(GEOMETRY), GEOMETRY.samples_per_frame
    framer.push(packet(0, 4 * spf), is_speech=True)
    assert framer.next_chunk_index == 1
    framer.silence_pending()
    (window,) = framer.push(packet(4 * spf, 5 * spf), is_speech=False)
    hop = window.samples[GEOMETRY.past_samples :]
    np.testing.assert_array_equal(hop[: 2 * spf], 0)
    np.testing.assert_array_equal(hop[2 * spf :], SOUND[4 * spf : 5 * spf])
    assert not window.is_speech


def test_windows_already_out_survive_an_interruption() -> None:
    framer, spf = Framer(GEOMETRY), GEOMETRY.samples_per_frame
    (window,) = framer.push(packet(0, 3 * spf), is_speech=True)
    framer.silence_pending()
    np.testing.assert_array_equal(window.samples, expected_window(0))

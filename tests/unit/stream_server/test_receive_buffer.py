"""Numbered packets against a scripted arrival: order, delay, recovery. No network, no clock."""

from collections.abc import Collection

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_server.rtc.receive_buffer import AudioReceiveBuffer, Encoded, Gap, opus_samples

ORIGIN = 0xFFFF_FF00  # time stamps wrap early in every test
BASE_S = 50.0


def payload(number: int) -> bytes:
    """Return something that counts as 20 ms of Opus and tells its number."""
    return bytes([0x78]) + number.to_bytes(4, "big")


def play(
    arrivals: dict[int, float], duration_s: float
) -> tuple[AudioReceiveBuffer, list[tuple[float, int | None, int]]]:
    """Return (time, packet number or None for a gap, samples); packet n is spoken at n * 20 ms."""
    buffer = AudioReceiveBuffer(BASE_S)
    heard: list[tuple[float, int | None, int]] = []
    queue = sorted((at, number) for number, at in arrivals.items())
    for tick in range(round(duration_s / 0.005)):
        now_s = tick * 0.005
        while queue and queue[0][0] <= now_s:
            number = queue.pop(0)[1]
            buffer.push((ORIGIN + number * 960) & 0xFFFF_FFFF, payload(number), BASE_S + now_s)
        for piece in buffer.take(BASE_S + now_s):
            number_or_gap = (
                int.from_bytes(piece.payload[1:]) if isinstance(piece, Encoded) else None
            )
            heard.append((now_s, number_or_gap, piece.samples))
    return buffer, heard


def delays(heard: list[tuple[float, int | None, int]]) -> dict[int, float]:
    return {number: at - number * 0.02 for at, number, _ in heard if number is not None}


def steady(count: int, without: Collection[int] = ()) -> dict[int, float]:
    return {n: n * 0.02 + 0.03 for n in range(count) if n not in without}


def test_a_clean_voice_is_not_delayed() -> None:
    _, heard = play(steady(100), 2.0)
    assert max(delays(heard).values()) <= 0.036


def test_a_lost_packet_delays_its_neighbours_shortly_and_nothing_else() -> None:
    _, heard = play(steady(300, without={100}), 6.2)
    by_number = delays(heard)
    assert max(by_number[n] for n in (101, 102)) <= 0.12
    assert max(delay for n, delay in by_number.items() if n > 110) <= 0.036
    assert set(by_number) == set(range(300)) - {100}


@pytest.mark.parametrize("burst", [5, 25, 100])
def test_delay_recovers_after_a_burst_of_loss(burst: int) -> None:
    _, heard = play(steady(600, without=set(range(100, 100 + burst))), 12.0)
    assert max(delay for n, delay in delays(heard).items() if n > 120 + burst) <= 0.036


def test_lost_sound_is_replaced_by_as_much() -> None:
    _, heard = play(steady(200, without={50, 51, 90}), 4.0)
    after = [entry for entry in heard if entry[0] > 0.1]
    assert sum(samples for _, number, samples in after if number is None) == 3 * 960


def test_swapped_packets_come_out_in_order() -> None:
    arrivals = steady(100)
    arrivals[40], arrivals[41] = arrivals[41], arrivals[40] + 0.001
    buffer, heard = play(arrivals, 2.2)
    numbers = [number for _, number, _ in heard if number is not None]
    assert numbers == list(range(100))
    assert buffer.late == 0


def test_a_network_that_stalled_does_not_leave_a_delay_behind() -> None:
    arrivals = {n: max(at, 3.0) if 2.0 <= at < 3.0 else at for n, at in steady(400).items()}
    buffer, heard = play(arrivals, 8.0)
    assert max(delay for n, delay in delays(heard).items() if n > 160) <= 0.036
    assert buffer.late > 0


def test_jitter_is_waited_for_once_it_is_known() -> None:
    jitter = np.random.default_rng(5).uniform(0, 0.08, 500)
    arrivals = {n: n * 0.02 + 0.03 + float(jitter[n]) for n in range(500)}
    _, heard = play(arrivals, 10.0)
    late = sum(number is None for at, number, _ in heard if 1.0 < at < 9.9)
    assert late <= 5
    assert max(delays(heard).values()) < 0.25


def test_silence_goes_on_while_nothing_arrives() -> None:
    _, heard = play({}, 3.0)
    assert all(number is None for _, number, _ in heard)
    assert sum(samples for *_, samples in heard) / 48_000 == pytest.approx(3.0, abs=0.1)


def test_a_sender_that_paused_is_heard_again() -> None:
    arrivals = steady(50) | {n: n * 0.02 + 0.03 + 0.7 for n in range(50, 200)}
    _, heard = play(arrivals, 5.0)
    numbers = [number for _, number, _ in heard if number is not None]
    assert numbers[-1] == 199
    assert len(numbers) > 180


def test_a_new_time_line_is_followed_without_a_burst_of_silence() -> None:
    buffer = AudioReceiveBuffer(BASE_S)
    now_s, released = BASE_S, []
    for number in range(100):
        now_s += 0.02
        jump = 0 if number < 50 else 5_000_000
        buffer.push(number * 960 + jump, payload(number), now_s)
        released += buffer.take(now_s)
    gaps = sum(piece.samples for piece in released if isinstance(piece, Gap))
    assert gaps <= 4_800
    assert sum(isinstance(piece, Encoded) for piece in released) == 100


def test_a_flood_is_refused_beyond_two_seconds_ahead() -> None:
    buffer = AudioReceiveBuffer(BASE_S)
    released = 0
    for number in range(5_000):
        buffer.push(number * 960, payload(number), BASE_S + 1.0)
        released += sum(piece.samples for piece in buffer.take(BASE_S + 1.0))
    assert released / 48_000 <= 3.1
    assert buffer.refused > 4_000


@pytest.mark.parametrize(
    ("toc", "rest", "samples"),
    [
        (0x78, b"", 960),  # CELT, 20 ms
        (0x08, b"", 960),  # SILK, 20 ms
        (0x18, b"", 2_880),  # SILK, 60 ms
        (0x60, b"", 480),  # hybrid, 10 ms
        (0x80, b"", 120),  # CELT, 2.5 ms
        (0x79, b"", 1_920),  # two frames
        (0x7B, bytes([3]), 2_880),  # a counted number of frames
        (0x7B, bytes([0]), 0),
        (0x7B, b"", 0),
        (0x7B, bytes([63]), 0),  # longer than a packet may be
    ],
)
def test_duration_of_opus_packets(toc: int, rest: bytes, samples: int) -> None:
    assert opus_samples(bytes([toc]) + rest) == samples


def test_nothing_is_not_a_packet() -> None:
    assert opus_samples(b"") == 0


@given(
    st.lists(
        st.tuples(st.integers(0, 0xFFFF_FFFF), st.binary(max_size=6), st.floats(0, 0.5)),
        max_size=60,
    )
)
def test_no_packet_whatever_breaks_the_line(packets: list[tuple[int, bytes, float]]) -> None:
    buffer, now_s, released = AudioReceiveBuffer(0.0), 0.0, 0
    for timestamp, data, pause_s in packets:
        now_s += pause_s
        buffer.push(timestamp, data, now_s)
        for piece in buffer.take(now_s):
            assert piece.samples > 0
            assert piece.samples % 120 == 0
            released += piece.samples
        assert buffer.deadline_s > now_s
    assert released / 48_000 <= now_s + 2.2

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from stream_server.rtc.rates import BitRates, KeyframeGate, RateControl

RATES = BitRates(start=800_000, lowest=250_000, highest=2_500_000)


def test_small_changes_are_ignored() -> None:
    control = RateControl(RATES)
    control.request(950_000)
    assert control.settle(10.0) == 800_000


def test_large_changes_are_followed_but_not_within_two_seconds() -> None:
    control = RateControl(RATES)
    control.request(400_000)
    assert control.settle(3.0) == 400_000
    control.request(1_600_000)
    assert control.settle(4.9) == 400_000
    assert control.settle(5.0) == 1_600_000


def test_rates_stay_within_their_bounds() -> None:
    control = RateControl(RATES)
    control.request(1)
    assert control.settle(10) == 250_000
    control.request(10**9)
    assert control.settle(20) == 2_500_000


@given(st.lists(st.tuples(st.floats(0, 0.5), st.integers(0, 5_000_000)), max_size=200))
def test_changes_are_rare_and_large(requests: list[tuple[float, int]]) -> None:
    control, at_s, changed_s, rate = RateControl(RATES), 0.0, 0.0, 800_000
    for pause_s, wanted in requests:
        at_s += pause_s
        control.request(wanted)
        settled = control.settle(at_s)
        if settled != rate:
            assert abs(settled - rate) >= 0.25 * rate
            assert at_s - changed_s >= 2.0
            rate, changed_s = settled, at_s


def test_keyframes_come_when_asked_for_and_at_most_twice_a_second() -> None:
    gate = KeyframeGate()
    assert not gate.take(0.0)
    taken = []
    for frame in range(50):
        gate.request()
        if gate.take(frame * 0.04):
            taken.append(frame * 0.04)
    assert len(taken) == 4
    assert all(later - earlier >= 0.5 for earlier, later in pairwise(taken))


def test_a_request_made_too_early_is_remembered() -> None:
    gate = KeyframeGate()
    gate.request()
    assert gate.take(0.0)
    gate.request()
    assert not gate.take(0.1)
    assert gate.take(0.6)

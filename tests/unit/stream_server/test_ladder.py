from hypothesis import given
from hypothesis import strategies as st

from stream_server.pipeline.ladder import Quality, QualityLadder


def observe(ladder: QualityLadder, beats: int, is_late: bool) -> list[Quality]:
    """Return the qualities the ladder moved to."""
    return [ladder.quality for _ in range(beats) if ladder.observe(is_late)]


def test_steady_rendering_stays_at_full_quality() -> None:
    assert observe(QualityLadder(can_reduce_steps=True), 2_000, False) == []


def test_two_late_seconds_cost_a_rung_and_two_more_the_next() -> None:
    ladder = QualityLadder(can_reduce_steps=True)
    assert observe(ladder, 50, True) == [Quality.FEWER_STEPS]
    assert observe(ladder, 50, True) == [Quality.HELD]


def test_a_short_hiccup_costs_nothing() -> None:
    ladder = QualityLadder(can_reduce_steps=True)
    for _ in range(20):
        assert observe(ladder, 45, False) + observe(ladder, 5, True) == []


def test_calm_brings_quality_back() -> None:
    ladder = QualityLadder(can_reduce_steps=True)
    observe(ladder, 50, True)
    assert observe(ladder, 249, False) == []
    assert observe(ladder, 1, False) == [Quality.FULL]


def test_a_model_with_one_step_has_no_rung_between() -> None:
    ladder = QualityLadder(can_reduce_steps=False)
    assert observe(ladder, 50, True) == [Quality.HELD]


def test_failed_trials_come_less_and_less_often() -> None:
    ladder = QualityLadder(can_reduce_steps=False)
    observe(ladder, 50, True)
    waits = []
    for _ in range(3):
        beats = 0
        while ladder.quality is Quality.HELD:
            ladder.observe(False)
            beats += 1
        waits.append(beats)
        observe(ladder, 50, True)
    assert waits[1] == 2 * waits[0]
    assert waits[2] == 4 * waits[0]


@given(st.lists(st.booleans(), max_size=3_000))
def test_every_report_of_a_change_is_one(beats: list[bool]) -> None:
    ladder = QualityLadder(can_reduce_steps=True)
    for is_late in beats:
        before = ladder.quality
        assert ladder.observe(is_late) == (ladder.quality is not before)

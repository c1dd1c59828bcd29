"""Figures put together: extremes are kept, what cannot be told is not counted."""

from dataclasses import replace

import pytest

from realtime_model.training.judging.figures import ClipFigures, as_plain, group, summarise
from realtime_model.training.judging.targets import TARGETS, Target, in_order, target_of


@pytest.fixture
def good() -> ClipFigures:
    return ClipFigures(
        portrait="anna",
        style="photo",
        clip="kokoro-it-sara-heldout-0001",
        language="it",
        seconds=4.0,
        lips=0.9,
        lag_frames=0,
        lips_shuffled=0.05,
        rig_lips=0.95,
        spread=1.0,
        silent_opening=0.01,
        closures=1.0,
        closures_of=9,
        rig_closures=0.9,
        vowels_above=0.8,
        vowels_of=10,
        rounding=1.5,
        rig_rounding=2.0,
        sync=0.9,
        sync_of=40,
        sync_offset=0.0,
        rig_sync=0.95,
        blinks_per_minute=15.0,
        head_deg=2.0,
        rig_head_deg=3.0,
        identity_median=0.2,
        identity_max=0.4,
        background=0.1,
        flicker=0.2,
        seam=1.05,
        sharpness=0.9,
        lost_frames=0.0,
    )


@pytest.fixture
def poor(good: ClipFigures) -> ClipFigures:
    return replace(
        good,
        portrait="bo",
        style="drawn",
        clip="choir-en-us-anna-sung-heldout-0001",
        language="en-us",
        lips=0.5,
        silent_opening=None,
        closures=0.0,
        closures_of=1,
        seam=1.6,
        identity_max=0.7,
    )


def test_the_worst_clip_is_kept_beside_the_mean(good: ClipFigures, poor: ClipFigures) -> None:
    summary = summarise([good, poor])
    assert summary["lips_mean"] == pytest.approx(0.7)
    assert summary["lips_worst"] == 0.5
    assert summary["seam_worst"] == 1.6
    assert summary["identity_max"] == 0.7


def test_clips_that_cannot_tell_are_left_out(good: ClipFigures, poor: ClipFigures) -> None:
    summary = summarise([good, poor])
    assert summary["silent_opening"] == summary["silent_opening_worst"] == 0.01
    assert "silent_opening" not in summarise([poor])
    assert "closures" not in summarise([replace(good, closures=None, closures_of=0)])


def test_shares_are_counted_over_sounds_not_over_clips(
    good: ClipFigures, poor: ClipFigures
) -> None:
    assert summarise([good, poor])["closures"] == pytest.approx(0.9)


def test_every_figure_of_the_summary_has_a_target_or_a_meaning(good: ClipFigures) -> None:
    summary = summarise([good])
    assert summary.keys() - TARGETS.keys() == {"lips_it"}
    assert all(target_of(name).meaning for name in summary)
    with pytest.raises(KeyError):
        target_of("lisp_it")


def test_every_tongue_is_held_to_a_target_of_its_own(good: ClipFigures, poor: ClipFigures) -> None:
    british = replace(good, clip="kokoro-en-gb-alice-heldout-0", language="en-gb", lips=0.8)
    american = replace(good, clip="flite-en-us-awb-heldout-0", language="en-us", lips=0.6)
    summary = in_order(summarise([good, poor, british, american]))
    assert summary["lips_en"] == pytest.approx(0.7)
    assert summary["lips_sung"] == 0.5
    assert list(summary)[:5] == ["lips_mean", "lips_worst", "lips_en", "lips_it", "lips_sung"]
    held = {name: target_of(name).holds(summary[name]) for name in list(summary)[2:5]}
    assert held == {"lips_en": False, "lips_it": True, "lips_sung": False}


def test_people_are_told_from_voices_that_know_their_times(
    good: ClipFigures, poor: ClipFigures
) -> None:
    person = replace(poor, clip="prompts-it-carlo-heldout-0003", closures=0.5, closures_of=4)
    summary = summarise([good, replace(good, lips=0.8), person])
    assert summary["lips_timed"] == pytest.approx(0.85)
    assert summary["lips_recorded"] == 0.5
    assert summary["closures_recorded"] == 0.5
    assert summary["vowels_above_recorded"] == pytest.approx(0.8)
    alone = summarise([good])
    assert not {"lips_recorded", "closures_recorded", "vowels_above_recorded"} & alone.keys()
    assert "lips_timed" not in summarise([person])


def test_groups_are_tongues_languages_styles_and_voices(
    good: ClipFigures, poor: ClipFigures
) -> None:
    found = {(g.group, g.name): g for g in group([good, poor, replace(good, lips=0.7)])}
    assert found["language", "it"].clips == 2
    assert found["language", "it"].lips == pytest.approx(0.8)
    assert found["language", "it"].lips_worst == 0.7
    assert found["style", "drawn"].lips == 0.5
    assert found["voice", "kokoro-it-sara-heldout"].clips == 2
    assert found["tongue", "sung"].clips == 1
    assert {g.name for g in group([good]) if g.group == "tongue"} == {"it"}


def test_a_target_knows_its_own_side() -> None:
    assert Target("", low=0.8).holds(0.8)
    assert not Target("", low=0.8).holds(0.79)
    assert not Target("", high=0.2).holds(0.21)
    assert not Target("", low=0.8, high=1.2).holds(float("nan"))
    assert Target("").holds(-5)
    assert not Target("").asked
    assert Target("", 0.8, 1.2).text == "0.8 to 1.2"
    assert Target("", high=0.2).text == "at most 0.2"


def test_rows_for_json_are_plain_and_short(good: ClipFigures) -> None:
    (row,) = as_plain([replace(good, lips=0.123456)])
    assert row["lips"] == 0.1235
    assert row["portrait"] == "anna"
    assert row["closures_of"] == 9

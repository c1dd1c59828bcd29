# ruff: noqa: RUF001 - IPA letters look like others and are meant

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from realtime_model.training.speech.articulation import ARKIT_LABELS, SEALED, is_vowel
from realtime_model.training.speech.curves import mouth_curves
from realtime_model.training.speech.phones import SILENCE, Phone

RATE_HZ = 16_000


def said(*sounds: tuple[str, float]) -> list[Phone]:
    phones: list[Phone] = []
    start_s = 0.0
    for ipa, duration_s in sounds:
        phones.append(Phone(ipa, start_s, start_s + duration_s))
        start_s += duration_s
    return phones


def tone(phones: list[Phone], level: float = 0.1) -> NDArray[np.float32]:
    count = round(phones[-1].end_s * RATE_HZ)
    return np.asarray(level * np.sin(np.arange(count) * 0.1), np.float32)


def curve(phones: list[Phone], label: str) -> NDArray[np.float32]:
    return mouth_curves(phones, tone(phones))[:, ARKIT_LABELS.index(label)]


def at(moment_s: float) -> int:
    """The frame whose 40 ms contain a moment."""
    return int(moment_s / 0.04)


def around(core: str, *, vowel: str = "ɑ") -> list[Phone]:
    return said((SILENCE, 0.4), (vowel, 0.12), (core, 0.06), (vowel, 0.12), (SILENCE, 0.4))


@pytest.mark.parametrize("samples", [0, 1, 640, 641, 16_000])
def test_every_begun_frame_has_a_curve_sample(samples: int) -> None:
    phones = [Phone(SILENCE, 0.0, samples / RATE_HZ)] if samples else []
    curves = mouth_curves(phones, np.zeros(samples, np.float32))
    assert curves.shape == (-(-samples // 640), 52)


@pytest.mark.parametrize("lips", sorted(SEALED & set("pbm")))
@pytest.mark.parametrize("duration_s", [0.02, 0.04, 0.1])
def test_lips_touch_in_every_closure_however_short(lips: str, duration_s: float) -> None:
    for shift_s in np.arange(0, 0.04, 0.005):
        phones = said((SILENCE, 0.4 + shift_s), ("ɑ", 0.09), (lips, duration_s), ("ɑ", 0.09))
        assert curve(phones, "jawOpen")[10:].min() < 0.02
        assert curve(phones, "mouthPressLeft").max() > 0.35


def test_lower_lip_is_tucked_for_f_and_the_jaw_stays_up() -> None:
    phones = around("f")
    middle = at(0.55)
    assert curve(phones, "mouthRollLower")[middle] > 0.5
    assert curve(phones, "jawOpen")[middle] < 0.08


def test_vowels_open_by_their_height() -> None:
    widest = [curve(around("t", vowel=v), "jawOpen").max() for v in ("a", "æ", "ɛ", "e", "i")]
    assert widest == sorted(widest, reverse=True)
    assert 0.35 < widest[0] <= 0.5
    assert widest[-1] < 0.16


def test_teeth_come_together_for_s_between_open_vowels() -> None:
    jaw = curve(around("s"), "jawOpen")
    assert jaw[at(0.55)] < 0.4 * jaw.max()


def test_rounding_passes_through_consonants_that_do_not_care_for_it() -> None:
    phones = said((SILENCE, 0.3), ("s", 0.1), ("t", 0.07), ("u", 0.2), (SILENCE, 0.3))
    pucker = curve(phones, "mouthPucker")
    assert pucker[at(0.43)] > 0.4
    assert pucker[at(0.57)] > 0.55
    spread = said((SILENCE, 0.3), ("s", 0.1), ("t", 0.07), ("i", 0.2), (SILENCE, 0.3))
    assert curve(spread, "mouthPucker").max() < 0.02


def test_the_mouth_is_closed_150_ms_into_a_silence() -> None:
    phones = said((SILENCE, 0.5), ("ɑ", 0.3), (SILENCE, 1.0))
    curves = mouth_curves(phones, tone(phones))
    assert curves[at(0.8 + 0.15) :].max() < 0.02
    assert curves[: at(0.5 - 0.15)].max() < 0.02


def test_the_mouth_begins_to_open_shortly_before_the_sound() -> None:
    phones = said((SILENCE, 0.6), ("ɑ", 0.4), (SILENCE, 0.4))
    jaw = curve(phones, "jawOpen")
    moving = np.flatnonzero(jaw > 0.05 * jaw.max())[0] * 0.04 + 0.02
    assert 0.6 - 0.12 <= moving <= 0.6 - 0.02


def test_the_gap_between_two_words_does_not_close_the_mouth() -> None:
    phones = said((SILENCE, 0.4), ("ɑ", 0.15), (SILENCE, 0.06), ("ɑ", 0.15), (SILENCE, 0.4))
    jaw = curve(phones, "jawOpen")
    assert jaw[at(0.58)] > 0.7 * jaw.max()


def test_loud_vowels_open_wider_and_the_microphones_level_does_not_matter() -> None:
    phones = said((SILENCE, 0.3), ("ɑ", 0.2), ("t", 0.1), ("ɑ", 0.2), ("t", 0.1), ("ɑ", 0.2))
    samples = tone(phones)
    samples[round(0.9 * RATE_HZ) :] *= 0.2
    curves = mouth_curves(phones, samples)
    jaw = curves[:, ARKIT_LABELS.index("jawOpen")]
    assert jaw[at(1.0)] < 0.75 * jaw[at(0.4)]
    np.testing.assert_allclose(mouth_curves(phones, samples * 0.05), curves, atol=2e-3)


def test_left_and_right_move_alike_and_eyes_and_brows_not_at_all() -> None:
    phones = said((SILENCE, 0.2), ("f", 0.1), ("i", 0.1), ("b", 0.1), ("u", 0.1), (SILENCE, 0.2))
    curves = mouth_curves(phones, tone(phones))
    for index, label in enumerate(ARKIT_LABELS):
        if label.startswith(("eye", "brow")):
            assert not curves[:, index].any()
        if label.endswith("Left") and label.removesuffix("Left") + "Right" in ARKIT_LABELS:
            other = ARKIT_LABELS.index(label.removesuffix("Left") + "Right")
            np.testing.assert_array_equal(curves[:, index], curves[:, other])


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([*"aɑæəiubpmfvszʃtdnlɹkwjh", "aɪ", "tʃ", "ʘ", SILENCE]),
            st.floats(0.005, 0.6),
        ),
        min_size=1,
        max_size=25,
    )
)
def test_any_speech_gives_finite_smooth_curves(sounds: list[tuple[str, float]]) -> None:
    phones = said(*sounds)
    curves = mouth_curves(phones, tone(phones))
    assert np.isfinite(curves).all()
    assert curves.min(initial=0) >= 0
    assert curves.max(initial=0) <= 1
    jaw = curves[:, ARKIT_LABELS.index("jawOpen")]
    assert jaw.max(initial=0) <= 0.53
    assert np.abs(np.diff(jaw)).max(initial=0) < 0.4


def test_a_diphthong_counts_as_a_vowel_and_silence_does_not() -> None:
    assert is_vowel("aɪ")
    assert not is_vowel("t")
    assert not is_vowel(SILENCE)

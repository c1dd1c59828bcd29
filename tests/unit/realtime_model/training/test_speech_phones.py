# ruff: noqa: RUF001 - IPA letters look like others and are meant

import pytest

from realtime_model.training.speech.flite import phones_of_report
from realtime_model.training.speech.phones import (
    SILENCE,
    Phone,
    merged_silence,
    phone_of_arpabet,
    phones_of_tokens,
    split_sounds,
)


def test_stress_mark_gives_its_time_to_the_vowel_after_it() -> None:
    phones = phones_of_tokens(["b", "ˈ", "i"], [0.1, 0.05, 0.2])
    assert [phone.ipa for phone in phones] == ["b", "i"]
    assert phones[1].start_s == pytest.approx(0.1)
    assert phones[1].end_s == pytest.approx(0.35)


def test_length_mark_and_nasal_tilde_prolong_the_sound_before_them() -> None:
    (phone,) = phones_of_tokens(["ɔ", "̃", "ː"], [0.1, 0.05, 0.05])
    assert phone.ipa == "ɔ"
    assert phone.duration_s == pytest.approx(0.2)


def test_spaces_and_punctuation_are_one_silence() -> None:
    phones = phones_of_tokens(["$", "p", ",", " ", "$"], [0.3, 0.1, 0.1, 0.1, 0.2])
    assert [phone.ipa for phone in phones] == [SILENCE, "p", SILENCE]
    assert phones[-1].duration_s == pytest.approx(0.4)


def test_a_letter_that_stands_for_a_diphthong_is_split_into_both_vowels() -> None:
    (phone,) = phones_of_tokens(["O"], [0.2])
    first, second = split_sounds(phone)
    assert (first.ipa, second.ipa) == ("o", "ʊ")
    assert first.end_s == second.start_s == pytest.approx(0.11)


def test_silence_is_never_split_into_letters() -> None:
    assert split_sounds(Phone(SILENCE, 0.0, 1.0)) == [Phone(SILENCE, 0.0, 1.0)]


def test_sounds_without_duration_vanish() -> None:
    assert merged_silence([Phone("t", 0.1, 0.1), Phone("a", 0.1, 0.2)]) == [Phone("a", 0.1, 0.2)]


def test_noises_of_the_aligner_are_silence() -> None:
    assert phone_of_arpabet("+SPN+", 0.0, 1.0).ipa == SILENCE
    assert phone_of_arpabet("AH0", 0.0, 1.0).ipa == "ʌ"


def test_a_flite_phone_starts_where_the_one_before_ended() -> None:
    phones = phones_of_report("pau:0.164 hh:0.255 ow:0.523 \n")
    assert [phone.ipa for phone in phones] == [SILENCE, "h", "oʊ"]
    assert phones[2].start_s == 0.255

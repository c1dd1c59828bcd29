"""Timed phones, and the alphabets the speech engines name them in."""

# ruff: noqa: RUF001 - IPA letters look like others and are meant

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

SILENCE = "sil"

_KOKORO = {"A": "eɪ", "I": "aɪ", "O": "oʊ", "Q": "əʊ", "W": "aʊ", "Y": "ɔɪ", "T": "ɾ"} | {
    "ʤ": "dʒ",
    "ʧ": "tʃ",
    "ʣ": "dz",
    "ʦ": "ts",
    "ʨ": "tɕ",
    "ʥ": "dʑ",
    "ᵊ": "ə",
    "ᵻ": "ɪ",
    "ꭧ": "tʂ",
    "ɚ": "ɜɹ",
}
_ARPABET = {
    "aa": "ɑ", "ae": "æ", "ah": "ʌ", "ao": "ɔ", "aw": "aʊ", "ax": "ə", "axr": "ɜɹ", "ay": "aɪ",
    "b": "b", "ch": "tʃ", "d": "d", "dh": "ð", "eh": "ɛ", "er": "ɜɹ", "ey": "eɪ", "f": "f",
    "g": "ɡ", "hh": "h", "ih": "ɪ", "iy": "i", "jh": "dʒ", "k": "k", "l": "l", "m": "m", "n": "n",
    "ng": "ŋ", "ow": "oʊ", "oy": "ɔɪ", "p": "p", "r": "ɹ", "s": "s", "sh": "ʃ", "t": "t",
    "th": "θ", "uh": "ʊ", "uw": "u", "v": "v", "w": "w", "y": "j", "z": "z", "zh": "ʒ",
}  # fmt: skip
_MSU = {
    "ii": "i", "yy": "ɨ", "uu": "u", "ee": "e", "oo": "o", "aa": "a",
    "a": "ʌ", "e": "ɪ", "i": "ɪ", "y": "ɨ", "u": "ʊ", "ay": "ə", "ae": "ɪ", "ur": "ʊ",
    "c": "ts", "ch": "tʃ", "g": "ɡ", "gg": "ɡ", "h": "x", "hh": "x",
    "sh": "ʃ", "sch": "ɕ", "zh": "ʒ",
}  # fmt: skip
"""Russian, after L. M. Zakharov's variants of sounds: doubled vowels are stressed, ``a`` and ``i``
reduced once, ``ay`` and ``ae`` twice; a doubled consonant is soft, which lips do not show."""
_STRESS = "ˈˌ"
_LENGTHENERS = "ːʰʲ̃"


@dataclass(frozen=True, slots=True)
class Phone:
    """One speech sound: ``ipa`` (or ``sil``) from ``start_s`` to ``end_s`` of its recording."""

    ipa: str
    start_s: float
    end_s: float

    @property
    def duration_s(self) -> float:
        return self.end_s - self.start_s


def phone_of_arpabet(name: str, start_s: float, end_s: float) -> Phone:
    """Name a CMU phone in IPA; whatever is no speech sound (``+SPN+``, ``SIL``) is silence."""
    return Phone(_ARPABET.get(name.lower().rstrip("012"), SILENCE), start_s, end_s)


def phone_of_msu(name: str, start_s: float, end_s: float) -> Phone:
    """Name a sound of the Russian voice of Festival in IPA; ``pau`` is silence."""
    ipa = SILENCE if name == "pau" else _MSU.get(name, name[0])
    return Phone(ipa, start_s, end_s)


def phones_in_turn(
    ends: Iterable[tuple[str, float]], named: Callable[[str, float, float], Phone]
) -> list[Phone]:
    """Phones of (name, end_s) pairs, named by ``named``; each starts where the one before ended."""
    phones: list[Phone] = []
    for name, end_s in ends:
        phones.append(named(name, phones[-1].end_s if phones else 0.0, end_s))
    return phones


def phones_of_tokens(tokens: Sequence[str], durations_s: Sequence[float]) -> list[Phone]:
    """Read the timed characters of a Kokoro-alphabet voice as phones.

    Characters that are no sound of their own give their time away: a stress mark to the vowel after
    it, a length mark to the sound before it. Spaces and punctuation are silence.
    """
    phones: list[Phone] = []
    now_s = pending_s = 0.0
    for token, duration_s in zip(tokens, durations_s, strict=True):
        start_s, now_s = now_s, now_s + duration_s
        if token in _STRESS:
            pending_s += duration_s
        elif token in _LENGTHENERS and phones:
            phones[-1] = replace(phones[-1], end_s=now_s)
        else:
            # Only Letters sound; modifier letters were dealt with above.
            sounds = unicodedata.category(token).startswith("L")
            ipa = _KOKORO.get(token, token) if sounds else SILENCE
            phones.append(Phone(ipa, start_s - pending_s, now_s))
            pending_s = 0.0
    return merged_silence(phones)


def merged_silence(phones: Iterable[Phone]) -> list[Phone]:
    """Join neighbouring silences and leave out phones without duration."""
    merged: list[Phone] = []
    for phone in phones:
        if phone.duration_s <= 0:
            continue
        if merged and merged[-1].ipa == phone.ipa == SILENCE:
            merged[-1] = replace(merged[-1], end_s=phone.end_s)
        else:
            merged.append(phone)
    return merged


def shifted(phones: Iterable[Phone], by_s: float) -> list[Phone]:
    """Move phones in time."""
    return [Phone(phone.ipa, phone.start_s + by_s, phone.end_s + by_s) for phone in phones]


def split_sounds(phone: Phone) -> list[Phone]:
    """Cut a diphthong or an affricate into its parts; the first part is a little longer."""
    parts = phone.ipa
    if phone.ipa == SILENCE or len(parts) == 1:
        return [phone]
    cut_s = phone.start_s + 0.55 * phone.duration_s
    first, rest = Phone(parts[0], phone.start_s, cut_s), Phone(parts[1:], cut_s, phone.end_s)
    return [first, *split_sounds(rest)]

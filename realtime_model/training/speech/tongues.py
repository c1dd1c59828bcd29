"""Sentences in languages that nobody speaks, written in the letters of the neural voices.

Whoever learns to hear from a few languages learns their words along with their sounds, and hears
worse in every other. So each of these sentences has a phonology of its own: an inventory of sounds,
shapes of syllables, a place of stress, and sometimes vowels that fade where there is no stress.
"""

# ruff: noqa: RUF001 - IPA letters look like others and are meant

import random
from collections.abc import Sequence
from dataclasses import dataclass

INVENTED = "art"
"""ISO 639-2 for artificial languages; sentences are IPA already."""

_COMMON_VOWELS = "aeiou"
_VOWELS = "ɑɛɪɔʊəʌæyøœɐ"
_GLIDING = "AIOWY"
_COMMON = "pbmtdnkɡslfv"
_CONSONANTS = "zʃʒʧʤʦŋɲʎɾrɹʁjwhxθðβç"
_STOPS, _LIQUIDS = "pbtdkɡf", "lrɾɹ"
_SHAPES = ("CV", "CV", "CV", "CV", "CVC", "CVC", "V", "VC", "KLV", "KLVC", "sKV", "CVCs", "CGV")


@dataclass(frozen=True, slots=True)
class Tongue:
    """What may be said in one invented language.

    Attributes:
        stress: syllable that carries it, counted as in a list; None, any.
        fades: share of vowels without stress that fade to a short central one.
        marks: share of consonants that are palatal, of vowels that are long and that are nasal.
    """

    vowels: str
    consonants: str
    shapes: tuple[str, ...]
    stress: int | None
    fades: float
    marks: tuple[float, float, float]


def invent(rng: random.Random) -> Tongue:
    """Draw a language."""
    vowels = rng.sample(_COMMON_VOWELS, rng.randint(3, 5)) + rng.sample(_VOWELS, rng.randint(0, 6))
    if rng.random() < 0.3:
        vowels += rng.sample(_GLIDING, rng.randint(1, 4))
    consonants = rng.sample(_COMMON, rng.randint(7, 12))
    consonants += rng.sample(_CONSONANTS, rng.randint(3, 10))
    return Tongue(
        "".join(vowels),
        "".join(consonants),
        ("CV", *rng.choices(_SHAPES, k=rng.randint(3, 8))),
        rng.choice((0, 0, -1, -2, -2, None)),
        rng.choice((0.0, 0.0, 0.0, 0.4, 0.8)),
        (
            rng.choice((0.0, 0.0, 0.0, 0.2)),
            rng.choice((0.0, 0.0, 0.15)),
            rng.choice((0.0, 0.0, 0.0, 0.15)),
        ),
    )


def sentences(count: int, seed: int) -> list[str]:
    """Return ``count`` sentences, each in a language of its own."""
    rng = random.Random(f"{seed} {INVENTED}")
    return [_sentence(invent(rng), rng) for _ in range(count)]


def _sentence(tongue: Tongue, rng: random.Random) -> str:
    words = [word(tongue, rng) for _ in range(rng.randint(3, 11))]
    if len(words) > 5:
        pause = rng.randint(2, len(words) - 3)
        words[pause] += rng.choice((",", ",", ""))
    return " ".join(words) + rng.choice("....?!")


def word(tongue: Tongue, rng: random.Random) -> str:
    """Say something of one to four syllables."""
    count = rng.choice((1, 1, 2, 2, 2, 3, 3, 4))
    stress = rng.randrange(count) if tongue.stress is None else tongue.stress % count
    syllables = [
        _syllable(tongue, rng, stressed=number == stress, alone=count == 1)
        for number in range(count)
    ]
    return "".join(syllables)


def _syllable(tongue: Tongue, rng: random.Random, *, stressed: bool, alone: bool) -> str:
    vowel = rng.choice(tongue.vowels)
    if not stressed and rng.random() < tongue.fades:
        vowel = rng.choice("əɪ")
    _, long, nasal = tongue.marks
    vowel += "ː" * (rng.random() < long) + "\u0303" * (rng.random() < nasal)
    if stressed and not (alone and rng.random() < 0.4):
        vowel = "ˈ" + vowel
    return "".join(
        vowel if place == "V" else _consonant(place, tongue, rng)
        for place in rng.choice(tongue.shapes)
    )


def _consonant(place: str, tongue: Tongue, rng: random.Random) -> str:
    """Draw the sound of a place: C any, K a stop, L a liquid, G a glide, else the letter itself."""
    match place:
        case "C":
            sound = rng.choice(tongue.consonants)
        case "K":
            sound = rng.choice(_among(tongue.consonants, _STOPS))
        case "L":
            sound = rng.choice(_among(tongue.consonants, _LIQUIDS))
        case "G":
            sound = rng.choice("jw")
        case _:
            sound = place
    palatal = rng.random() < tongue.marks[0] and sound not in "jwʃʒʧʤɲʎç"
    return sound + "ʲ" * palatal


def _among(known: str, kind: str) -> Sequence[str]:
    """The sounds of a kind that a language has; all of the kind where it has none."""
    return [sound for sound in kind if sound in known] or kind

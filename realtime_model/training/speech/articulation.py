"""What the mouth does for every sound of speech, and how ARKit's shapes say it."""

# ruff: noqa: RUF001 - IPA letters look like others and are meant

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ARKIT_LABELS = (
    "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight",
    "cheekPuff", "cheekSquintLeft", "cheekSquintRight", "eyeBlinkLeft", "eyeBlinkRight",
    "eyeLookDownLeft", "eyeLookDownRight", "eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft",
    "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight", "eyeSquintLeft", "eyeSquintRight",
    "eyeWideLeft", "eyeWideRight", "jawForward", "jawLeft", "jawOpen", "jawRight", "mouthClose",
    "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight", "mouthFunnel",
    "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft",
    "mouthPressRight", "mouthPucker", "mouthRight", "mouthRollLower", "mouthRollUpper",
    "mouthShrugLower", "mouthShrugUpper", "mouthSmileLeft", "mouthSmileRight",
    "mouthStretchLeft", "mouthStretchRight", "mouthUpperUpLeft", "mouthUpperUpRight",
    "noseSneerLeft", "noseSneerRight", "tongueOut",
)  # fmt: skip
"""The 52 face shapes of ARKit, in the order every curve of the corpus has."""

ARTICULATORS = ("jaw", "funnel", "pucker", "wide", "lower", "upper")
"""What sounds negotiate with their neighbours; `SEALED` and `TUCKED` lips are not negotiable."""

SEALED = frozenset("pbmɓ")
TUCKED = frozenset("fvɱʋ")

_SHAPES: dict[str, dict[str, float]] = {
    "jaw": {"jawOpen": 1.0},
    "funnel": {"mouthFunnel": 1.0},
    "pucker": {"mouthPucker": 1.0},
    "wide": {"mouthStretch": 0.7, "mouthSmile": 0.55, "mouthDimple": 0.15},
    "lower": {"mouthLowerDown": 1.0},
    "upper": {"mouthUpperUp": 1.0},
    "seal": {
        "mouthPress": 0.45,
        "mouthRollLower": 0.22,
        "mouthRollUpper": 0.16,
        "mouthClose": 0.02,
    },
    "tuck": {"mouthRollLower": 0.55, "mouthUpperUp": 0.22, "mouthShrugLower": 0.1},
}


def shape(articulator: str) -> NDArray[np.float64]:
    """Return the activation of the 52 ARKit shapes at the articulator's full extent, (52,)."""
    activation = np.zeros(len(ARKIT_LABELS))
    for name, value in _SHAPES[articulator].items():
        for label in (name, f"{name}Left", f"{name}Right"):
            if label in ARKIT_LABELS:
                activation[ARKIT_LABELS.index(label)] = value
    return activation


@dataclass(frozen=True, slots=True)
class Sound:
    """Where one sound wants the articulators, and how much it cares.

    Attributes:
        target: in the order of `ARTICULATORS`, as ARKit activation.
        grip: weight against the neighbours, same order; 0 leaves the articulator to them.
    """

    target: tuple[float, ...]
    grip: tuple[float, ...]


def _vowel(jaw: float, funnel: float, pucker: float, wide: float) -> Sound:
    """Return a vowel: it cares for everything; the lips part with the jaw."""
    lips = 0.06 + 0.3 * jaw * (1 - pucker)
    return Sound((jaw, funnel, pucker, wide, lips, 0.6 * lips), (1.0, 1.0, 1.0, 0.8, 1.0, 1.0))


def _consonant(
    jaw: float, grip: float, *, round_lips: float = 0.0, teeth: float = 0.05, lip_grip: float = 0.06
) -> Sound:
    """Return a consonant: it holds the jaw by ``grip`` and the lips' rounding by ``lip_grip``."""
    target = (jaw, round_lips, 0.4 * round_lips, 0.0, teeth, 0.5 * teeth)
    return Sound(target, (grip, lip_grip, lip_grip, 0.15 + 0.5 * lip_grip, grip, grip))


_TABLE: dict[str, Sound] = {
    # open to close; the opening is what everyone sees first
    "aɑ": _vowel(0.46, 0.02, 0.0, 0.05),
    "æ": _vowel(0.42, 0.0, 0.0, 0.22),
    "ɐʌ": _vowel(0.36, 0.03, 0.0, 0.06),
    "ɒ": _vowel(0.40, 0.25, 0.05, 0.0),
    "ɔ": _vowel(0.33, 0.42, 0.15, 0.0),
    "ɛ": _vowel(0.30, 0.0, 0.0, 0.22),
    "œ": _vowel(0.27, 0.42, 0.2, 0.0),
    "ɜ": _vowel(0.23, 0.18, 0.05, 0.0),
    "e": _vowel(0.22, 0.0, 0.0, 0.32),
    "o": _vowel(0.25, 0.42, 0.35, 0.0),
    "ø": _vowel(0.19, 0.38, 0.4, 0.0),
    "əɘɤ": _vowel(0.20, 0.05, 0.0, 0.06),
    "ɪ": _vowel(0.16, 0.0, 0.0, 0.24),
    "ʊ": _vowel(0.15, 0.3, 0.4, 0.0),
    "iɨ": _vowel(0.11, 0.0, 0.0, 0.4),
    "uɯ": _vowel(0.11, 0.25, 0.7, 0.0),
    "y": _vowel(0.10, 0.25, 0.65, 0.0),
    # consonants; sibilants and stops of the tongue's tip bring the teeth together
    "pbmɓ": _consonant(0.03, 0.6, teeth=0.0),
    "fvɱʋ": _consonant(0.06, 0.8, teeth=0.05),
    "θð": _consonant(0.11, 1.0, teeth=0.18),
    "szɕʑʂʐ": _consonant(0.04, 2.2, teeth=0.22),
    "ʃʒ": _consonant(0.05, 2.0, round_lips=0.45, teeth=0.1, lip_grip=0.7),
    "tdʈɖɟ": _consonant(0.06, 1.3, teeth=0.16),
    "nɲɳ": _consonant(0.09, 0.9, teeth=0.12),
    "lɭʎɾɽɫ": _consonant(0.13, 0.7, teeth=0.12),
    "ɹɻr": _consonant(0.12, 0.6, round_lips=0.3, lip_grip=0.5),
    "kɡgcŋqɣɴ": _consonant(0.14, 0.45),
    "xχʁħʝç": _consonant(0.16, 0.45),
    "w": Sound((0.06, 0.25, 0.75, 0.0, 0.02, 0.01), (1.0, 1.3, 1.3, 0.8, 1.0, 1.0)),
    "ɥ": Sound((0.06, 0.25, 0.6, 0.0, 0.02, 0.01), (1.0, 1.0, 1.0, 0.8, 1.0, 1.0)),
    "j": Sound((0.09, 0.0, 0.0, 0.32, 0.08, 0.04), (0.7, 0.3, 0.3, 0.7, 0.6, 0.6)),
    "βɸ": Sound((0.05, 0.1, 0.1, 0.0, 0.02, 0.0), (1.2, 0.3, 0.3, 0.3, 1.2, 1.2)),
    "hɦʔ": _consonant(0.12, 0.08, lip_grip=0.0),
}
_SOUNDS = {letter: sound for letters, sound in _TABLE.items() for letter in letters}

REST = Sound((0.0,) * 6, (1.0, 0.5, 0.5, 0.5, 1.0, 1.0))
"""Closed, relaxed lips."""

_UNKNOWN = _consonant(0.14, 0.2)


def sound_of(ipa: str) -> Sound:
    """Return the articulation of one IPA letter; a letter nobody listed hardly moves anything."""
    return _SOUNDS.get(ipa, _UNKNOWN)


def is_vowel(ipa: str) -> bool:
    """Whether a sound, or the first part of a diphthong, is a vowel."""
    return ipa[:1] in "aɑæɐʌɒɔɛœɜeoøəɘɤɪʊiɨuɯy" and ipa != ""

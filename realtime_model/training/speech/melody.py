"""Turns timed speech into a song on paper: how long every sound is held, and at which pitch.

Vowels carry the notes and are stretched to them, consonants keep their time, as singers do.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from realtime_model.training.speech.articulation import is_vowel
from realtime_model.training.speech.phones import SILENCE, Phone, split_sounds

_SCALES = (
    (0, 2, 4, 5, 7, 9, 11),  # major
    (0, 2, 3, 5, 7, 8, 10),  # minor
    (0, 2, 4, 7, 9),  # pentatonic
)
_STEPS = (-3, -2, -1, -1, 0, 1, 1, 2, 3)
_LOWEST, _HIGHEST = -5, 12
"""Compass in semitones around the speaker's own pitch."""

_BEAT_S = (0.3, 0.5)
_BEATS, _LAST_BEATS = (0.5, 0.5, 1.0, 1.0, 1.5), (2.0, 2.0, 3.0)
_LONGEST_S = 2.0
_BREATH_S = 0.2
"""A silence at least this long ends a phrase; its last note is held."""

_KEPT_SHARE = 0.3
"""Of a vowel, at each end: the way from and to its neighbours keeps its pace."""

_GLIDE_S = 0.035
_VIBRATO_HZ, _VIBRATO_CENTS = (5.0, 6.2), (20.0, 50.0)
_STEADY_S, _SWELL_S = 0.25, 0.25
_DRIFT_CENTS, _DRIFT_S = 12.0, 0.3


@dataclass(frozen=True, slots=True)
class Note:
    """One pitch, in semitones from the speaker's own, and the vowel that starts it."""

    nucleus: int
    semitones: int
    held_s: float


@dataclass(frozen=True, slots=True)
class Pace:
    """How time is stretched.

    Attributes:
        sounds: single sounds at their new times, without gaps.
        spoken_s: rising moments of the recording.
        performed_s: when these moments come now.
    """

    sounds: list[Phone]
    spoken_s: NDArray[np.float64]
    performed_s: NDArray[np.float64]


def composed(phones: Sequence[Phone], rng: random.Random) -> list[Note]:
    """Write a melody for some speech: a walk on a scale, phrase by phrase, home at each end."""
    sounds, nuclei = _sounds_and_nuclei(phones)
    scale, beat_s = rng.choice(_SCALES), rng.uniform(*_BEAT_S)
    compass = [12 * octave + tone for octave in (-1, 0, 1) for tone in scale]
    compass = [tone for tone in compass if _LOWEST <= tone <= _HIGHEST]
    home = compass.index(0)
    degree, notes = home, []
    for place, nucleus in enumerate(nuclei):
        following = nuclei[place + 1] if place + 1 < len(nuclei) else len(sounds)
        tail = sounds[nucleus + 1 : following]
        is_last = following == len(sounds) or any(
            sound.ipa == SILENCE and sound.duration_s >= _BREATH_S for sound in tail
        )
        degree = min(max(degree + rng.choice(_STEPS), 0), len(compass) - 1)
        if is_last:
            degree = rng.choice((home, home, min(home + 2, len(compass) - 1)))
        beats = rng.choice(_LAST_BEATS if is_last else _BEATS)
        spent_s = sum(sound.duration_s for sound in tail if sound.ipa != SILENCE)
        held_s = max(sounds[nucleus].duration_s, min(beats * beat_s - spent_s, _LONGEST_S))
        notes.append(Note(nucleus, compass[degree], held_s))
    return notes


def stretched(phones: Sequence[Phone], held_s: dict[int, float]) -> Pace:
    """Return the speech with some of its single sounds held for longer.

    Args:
        phones: without gaps.
        held_s: new duration of some sounds, by their number after `split_sounds`; not shorter
            than they are.
    """
    sounds, _ = _sounds_and_nuclei(phones)
    spoken, performed, moved = [0.0], [0.0], []
    for number, sound in enumerate(sounds):
        start_s = performed[-1]
        lasts_s = held_s.get(number, sound.duration_s)
        edge_s = _KEPT_SHARE * sound.duration_s
        spoken += [sound.start_s + edge_s, sound.end_s - edge_s, sound.end_s]
        performed += [start_s + edge_s, start_s + lasts_s - edge_s, start_s + lasts_s]
        moved.append(Phone(sound.ipa, start_s, start_s + lasts_s))
    return Pace(moved, np.array(spoken), np.array(performed))


def vowels(phones: Sequence[Phone]) -> list[int]:
    """Return which of the single sounds carry a syllable: of a diphthong, its first half."""
    return _sounds_and_nuclei(phones)[1]


def sung_pitch(
    notes: Sequence[Note], pace: Pace, times_s: NDArray[np.float64], rng: random.Random
) -> NDArray[np.float64]:
    """Return the pitch of a melody in semitones, (t,): glides, vibrato on held notes, slow drift.

    Args:
        notes: at least one.
        pace: of the same speech, with the notes held.
        times_s: evenly spaced.
        rng: draws rate and depth of the vibrato, and the drift.
    """
    step_s = float(times_s[1] - times_s[0])
    starts_s = np.array([pace.sounds[note.nucleus].start_s for note in notes])
    which = np.clip(np.searchsorted(starts_s, times_s, side="right") - 1, 0, None)
    tones = np.array([note.semitones for note in notes], np.float64)[which]
    ends_s = np.array([pace.sounds[note.nucleus].end_s for note in notes])
    since_s = times_s - starts_s[which]
    swell = np.clip((since_s - _STEADY_S) / _SWELL_S, 0, 1) * (times_s < ends_s[which])
    wave = np.sin(2 * np.pi * rng.uniform(*_VIBRATO_HZ) * since_s)
    noise = np.random.default_rng(rng.getrandbits(32)).standard_normal(len(times_s))
    drift = gaussian_filter1d(noise, _DRIFT_S / step_s)
    drift *= _DRIFT_CENTS / 100 / max(float(drift.std()), 1e-9)
    glided = gaussian_filter1d(tones, _GLIDE_S / step_s, mode="nearest")
    depth = gaussian_filter1d(swell, _GLIDE_S / step_s) * rng.uniform(*_VIBRATO_CENTS) / 100
    return np.asarray(glided + depth * wave + drift, np.float64)


def _sounds_and_nuclei(phones: Sequence[Phone]) -> tuple[list[Phone], list[int]]:
    sounds: list[Phone] = []
    nuclei: list[int] = []
    for phone in phones:
        if phone.ipa != SILENCE and is_vowel(phone.ipa):
            nuclei.append(len(sounds))
        sounds += split_sounds(phone)
    return sounds, nuclei

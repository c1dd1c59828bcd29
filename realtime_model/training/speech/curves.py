"""Phone timings and sound to facial curves: co-articulation after Cohen and Massaro (1993).

Every sound pulls each articulator to its target with a dominance that is full inside the sound and
fades before and after it; the curve is the dominance-weighted mean of the targets. A sound that
does not care for an articulator (a /t/ for rounding) has no grip on it, so the neighbours' shape
passes through. Lips that must touch are not averaged: closures are laid over the result.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from realtime_model.training.speech.articulation import (
    ARKIT_LABELS,
    ARTICULATORS,
    REST,
    SEALED,
    TUCKED,
    Sound,
    is_vowel,
    shape,
    sound_of,
)
from realtime_model.training.speech.phones import SILENCE, Phone, split_sounds
from realtime_model.training.speech.voices import SAMPLE_RATE_HZ, Samples

FPS = 25
SAMPLES_PER_FRAME = SAMPLE_RATE_HZ // FPS

_STEPS_PER_FRAME = 8
_STEP_S = 1 / (FPS * _STEPS_PER_FRAME)
_SMOOTHING_S = 0.014

_BEFORE_S = np.array([0.040, 0.075, 0.075, 0.055, 0.040, 0.040])
_AFTER_S = np.array([0.027, 0.050, 0.050, 0.040, 0.027, 0.027])
"""How far a sound reaches out of its own time, per articulator; lips prepare before the jaw."""

_EDGE_S = 0.03
"""Margin of a sound in which it already shares with its neighbours."""

_WORD_GAP_S = 0.13
"""A silence shorter than this is no rest: the mouth goes on."""

_HOLD_S, _RAMP_S = 0.056, 0.045
"""A closure is held for more than one frame, so that 25 fps cannot miss it; then it opens."""

_FAINT = 1e-6


def mouth_curves(phones: Sequence[Phone], samples: Samples) -> NDArray[np.float32]:
    """Return the mouth of a recording, sampled at the middle of every 40 ms frame.

    Args:
        phones: without gaps over the recording.
        samples: 16 kHz mono; louder vowels open wider.

    Returns:
        float32 in [0, 1], (ceil(len(samples) / 640), 52), in the order of `ARKIT_LABELS`.
    """
    frames = -(-len(samples) // SAMPLES_PER_FRAME)
    times_s = (np.arange(frames * _STEPS_PER_FRAME, dtype=np.float64) + 0.5) * _STEP_S
    sounds = _without_word_gaps([part for phone in phones for part in split_sounds(phone)])
    moves = _blended(sounds, _loudness(sounds, samples), times_s)
    moves = gaussian_filter1d(moves, _SMOOTHING_S / _STEP_S, axis=0, mode="nearest")

    seal = _closure([sound for sound in sounds if sound.ipa in SEALED], times_s)
    tuck = _closure([sound for sound in sounds if sound.ipa in TUCKED], times_s) * (1 - seal)
    jaw = ARTICULATORS.index("jaw")
    moves[:, jaw] = np.minimum(moves[:, jaw], 0.5 - 0.44 * tuck)
    opening = [ARTICULATORS.index(name) for name in ("jaw", "lower", "upper")]
    moves[:, opening] *= 1 - 0.97 * seal[:, None]

    curves = moves @ np.stack([shape(name) for name in ARTICULATORS])
    curves += np.outer(seal, shape("seal")) + np.outer(tuck, shape("tuck"))
    middles = curves.reshape(frames, _STEPS_PER_FRAME, len(ARKIT_LABELS))
    # The middle of a frame lies between its two middle steps.
    half = _STEPS_PER_FRAME // 2
    at_middle = middles[:, half - 1 : half + 1].mean(axis=1)
    return np.asarray(np.clip(at_middle, 0.0, 1.0), np.float32)


def _without_word_gaps(sounds: Sequence[Phone]) -> list[Phone]:
    """Drop silences that are only the seam between two words; those at either end stay."""
    last = len(sounds) - 1
    return [
        sound
        for i, sound in enumerate(sounds)
        if sound.ipa != SILENCE or sound.duration_s >= _WORD_GAP_S or i in (0, last)
    ]


def _loudness(sounds: Sequence[Phone], samples: Samples) -> list[float]:
    """Return how much wider (up to 1.15) or smaller (down to 0.6) each vowel opens than usual.

    Usual is the recording's own median vowel, so the level of the microphone plays no part.
    """
    levels = np.full(len(sounds), np.nan)
    for i, sound in enumerate(sounds):
        piece = samples[int(sound.start_s * SAMPLE_RATE_HZ) : int(sound.end_s * SAMPLE_RATE_HZ)]
        if is_vowel(sound.ipa) and len(piece):
            levels[i] = np.sqrt(np.mean(np.square(piece))) + _FAINT
    if np.isnan(levels).all():
        return [1.0] * len(sounds)
    relative = (levels / np.nanmedian(levels)) ** 0.3
    return list(np.where(np.isnan(relative), 1.0, np.clip(relative, 0.6, 1.15)))


def _blended(
    sounds: Sequence[Phone], loudness: Sequence[float], times_s: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the articulators over time, (t, articulators): dominance-weighted mean of targets."""
    total = np.zeros((len(times_s), len(ARTICULATORS)))
    weight = np.full_like(total, _FAINT)
    for sound, gain in zip(sounds, loudness, strict=True):
        articulation: Sound = REST if sound.ipa == SILENCE else sound_of(sound.ipa)
        edge_s = min(_EDGE_S, 0.3 * sound.duration_s)
        early_s = np.maximum(sound.start_s + edge_s - times_s, 0)[:, None] / _BEFORE_S
        late_s = np.maximum(times_s - sound.end_s + edge_s, 0)[:, None] / _AFTER_S
        dominance = np.exp(-0.5 * np.square(early_s + late_s)) * articulation.grip
        target = np.array(articulation.target)
        target[[0, 4, 5]] *= gain
        total += dominance * target
        weight += dominance
    return total / weight


def _closure(sounds: Sequence[Phone], times_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 0..1 over time: 1 while the lips of any of the sounds must touch."""
    closed = np.zeros(len(times_s))
    for sound in sounds:
        middle_s = (sound.start_s + sound.end_s) / 2
        half_s = max(_HOLD_S, min(sound.duration_s, 0.12)) / 2
        outside = (np.abs(times_s - middle_s) - half_s) / _RAMP_S
        closed = np.maximum(closed, 0.5 + 0.5 * np.cos(np.pi * np.clip(outside, 0.0, 1.0)))
    return closed

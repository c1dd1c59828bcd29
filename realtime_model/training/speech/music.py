"""Music to talk over, made of nothing: chords, a tune, a bass and a drum."""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from realtime_model.training.speech.voices import SAMPLE_RATE_HZ

_CHORDS = ((0, 4, 7), (5, 9, 12), (7, 11, 14), (9, 12, 16))  # I, IV, V and vi, in semitones
_SCALE = (0, 2, 4, 7, 9)
_HARMONICS = 8


def made_up(length: int, rng: Generator) -> NDArray[np.float64]:
    """Return (length,) samples in one key and at one pace, chords of four beats, at 16 kHz."""
    beat = round(SAMPLE_RATE_HZ * 60 / rng.uniform(70, 150))
    key_hz, softness, drummed = rng.uniform(110, 220), rng.uniform(0.8, 2.5), rng.random() < 0.6
    out = np.zeros(length + 2 * beat)
    for number, start in enumerate(range(0, length, beat)):
        here = slice(start, start + 2 * beat)
        if number % 4 == 0:
            chord = _CHORDS[int(rng.integers(len(_CHORDS)))]
        for semitones in (chord[0] - 12, *chord):
            out[here] += _note(key_hz * 2 ** (semitones / 12), 2 * beat, softness)
        if rng.random() < 0.7:
            tune = 12 + _SCALE[int(rng.integers(len(_SCALE)))]
            out[here] += 1.5 * _note(key_hz * 2 ** (tune / 12), 2 * beat, softness)
        if drummed:
            fade = np.exp(-np.arange(2 * beat) / (0.02 * SAMPLE_RATE_HZ))
            out[here] += rng.uniform(1, 3) * fade * rng.standard_normal(2 * beat)
    return out[:length]


def _note(hertz: float, length: int, softness: float) -> NDArray[np.float64]:
    """A plucked string: the softer, the less of its harmonics; all of them fade."""
    seconds = np.arange(length) / SAMPLE_RATE_HZ
    audible = [k for k in range(1, _HARMONICS + 1) if k * hertz < SAMPLE_RATE_HZ / 2]
    waves = [np.sin(2 * np.pi * k * hertz * seconds) / k**softness for k in audible]
    return np.asarray(np.sum(waves, axis=0) * np.exp(-3 * seconds))

"""What a phone sounds like in numbers: mel cepstra and how they move, the speaker taken out."""

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct

from realtime_model.training.speech.voices import SAMPLE_RATE_HZ, Samples

STEP_S = 0.01

_WINDOW_S = 0.025
_LINES = 512
_BANDS, CEPSTRA = 26, 13
_LOW_HZ, _HIGH_HZ = 80.0, 7_600.0
_FLOOR = 1e-7
_SPEECH_SHARE = 0.5
_DEEPEST = 18.0
"""How far below its loudest a recording is looked at, in units of the first cepstrum."""

Features = NDArray[np.float64]


def cepstra(samples: Samples) -> Features:
    """Return 13 mel cepstra with first and second differences, every 10 ms, (t, 39).

    Mean and deviation over the recording's own speech are taken out, so level, microphone and most
    of the speaker play no part.

    Source: Davis and Mermelstein, IEEE Trans. ASSP 28 (1980), 357; differences after Furui (1986).
    """
    step, window = round(STEP_S * SAMPLE_RATE_HZ), round(_WINDOW_S * SAMPLE_RATE_HZ)
    sharp = np.append(samples[:1], samples[1:] - 0.97 * samples[:-1]).astype(np.float64)
    padded = np.pad(sharp, window // 2)
    framed = np.lib.stride_tricks.sliding_window_view(padded, window)[::step]
    power = np.abs(np.fft.rfft(framed * np.hamming(window), _LINES)) ** 2
    floor = _FLOOR * power.sum(axis=1).max() + 1e-12
    spectrum = dct(np.log(power @ _mel_bands().T + floor), norm="ortho", axis=1)[:, :CEPSTRA]

    loudness = spectrum[:, 0]
    top = np.percentile(loudness, 95)
    bottom = max(float(np.percentile(loudness, 5)), float(top) - _DEEPEST)
    speech = spectrum[loudness >= top - _SPEECH_SHARE * (top - bottom)]
    plain = (spectrum - speech.mean(axis=0)) / (speech.std(axis=0) + 1e-6)
    moving = _difference(plain)
    return np.hstack([plain, 0.5 * moving, 0.25 * _difference(moving)])


def _difference(values: Features) -> Features:
    """Slope over two steps either side."""
    padded = np.pad(values, ((2, 2), (0, 0)), "edge")
    count = len(values)
    wide = padded[4:] - padded[:count]
    return np.asarray(wide + 0.5 * (padded[3 : count + 3] - padded[1 : count + 1]), np.float64)


def _mel_bands() -> Features:
    """Triangles on the mel scale, (bands, lines)."""
    edges_mel = np.linspace(_mel(_LOW_HZ), _mel(_HIGH_HZ), _BANDS + 2)
    edges = 700 * (10 ** (edges_mel / 2_595) - 1)
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    lines = np.arange(_LINES // 2 + 1) * SAMPLE_RATE_HZ / _LINES
    slopes = np.minimum((lines - low) / (middle - low), (high - lines) / (high - middle))
    return np.clip(slopes, 0, None)


def _mel(hz: float) -> float:
    return float(2_595 * np.log10(1 + hz / 700))

"""What happens to a voice between a mouth and the model: rooms, breath, others, music, calls.

Every function keeps the length and the timing of the sound, so the curves of a clip stay true.
Samples are float32 in [-1, 1], mono, 16 kHz.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.signal import butter, fftconvolve, sosfiltfilt

from realtime_model.training.speech.call import gain_controlled, over_opus
from realtime_model.training.speech.music import made_up
from realtime_model.training.speech.voices import SAMPLE_RATE_HZ, Samples

_HUSH = 1e-9
_BLOCK = SAMPLE_RATE_HZ // 25
_PAUSE = 0.02  # of the loudest block: below is no voice
_BREATH_S = (0.25, 0.7)
_KBPS = (6.0, 32.0)


@dataclass(frozen=True, slots=True)
class AugmentOdds:
    """How often each mishap strikes a clip, 0 to 1; the rest of the clips stay clean."""

    breath: float = 0.25
    room: float = 0.3
    babble: float = 0.15
    music: float = 0.25
    noise: float = 0.5
    gain: float = 0.8
    clipping: float = 0.08
    line: float = 0.25
    control: float = 0.2
    call: float = 0.35


def augmented(
    samples: Samples, rng: Generator, *, others: Sequence[Samples] = (), odds: AugmentOdds
) -> Samples:
    """Return ``samples`` after a random journey, in the order a real one has.

    Args:
        samples: the clean voice.
        rng: decides everything; the same state gives the same journey.
        others: clips of other people, for babble; none, no babble.
        odds: how often each mishap strikes.
    """
    samples = _until_the_microphone(samples, rng, others, odds)
    samples = _from_there(samples, rng, odds)
    return np.clip(samples, -1, 1).astype(np.float32)


def _until_the_microphone(
    samples: Samples, rng: Generator, others: Sequence[Samples], odds: AugmentOdds
) -> Samples:
    if rng.random() < odds.breath:
        samples = with_breaths(samples, rng.uniform(15, 35), rng)
    if rng.random() < odds.room:
        samples = in_room(samples, rng.uniform(0.12, 0.7), rng.uniform(0.1, 0.6), rng)
    if others and rng.random() < odds.babble:
        samples = with_babble(samples, others, rng.uniform(6, 25), rng)
    if rng.random() < odds.music:
        samples = with_music(samples, rng.uniform(5, 25), rng)
    if rng.random() < odds.noise:
        samples = with_noise(samples, rng.uniform(5, 40), rng.uniform(0, 2), rng)
    return samples


def _from_there(samples: Samples, rng: Generator, odds: AugmentOdds) -> Samples:
    if rng.random() < odds.gain:
        samples = amplified(samples, rng.uniform(-36, 8))
    if rng.random() < odds.clipping:
        samples = clipped(samples, rng.uniform(0.3, 0.8))
    if rng.random() < odds.line:
        samples = band_limited(samples, rng.uniform(40, 300), rng.uniform(3_000, 7_000))
    if rng.random() < odds.control:
        samples = gain_controlled(samples, rng.uniform(-28, -16))
    if rng.random() < odds.call:
        lost = max(0.0, rng.uniform(-0.08, 0.08))  # half of the calls lose nothing
        samples = over_opus(samples, float(np.exp(rng.uniform(*np.log(_KBPS)))), lost, rng)
    return samples


def amplified(samples: Samples, gain_db: float) -> Samples:
    """Turn the level up or down."""
    return samples * np.float32(10 ** (gain_db / 20))


def clipped(samples: Samples, share: float) -> Samples:
    """Overdrive the microphone: peaks are cut at ``share`` of the loudest sample."""
    limit = share * float(np.abs(samples).max(initial=_HUSH))
    return np.clip(samples, -limit, limit)


def with_breaths(samples: Samples, below_db: float, rng: Generator) -> Samples:
    """Breathe in at the end of every pause: the mouth rests, and it is no sound of speech.

    Args:
        samples: a voice with pauses.
        below_db: how much quieter than the voice breath is.
        rng: draws lengths and sounds.
    """
    blocks = samples[: len(samples) // _BLOCK * _BLOCK].reshape(-1, _BLOCK).astype(np.float64)
    levels = np.sqrt(np.square(blocks).mean(axis=1))
    loudest = levels.max(initial=_HUSH)
    edges = np.flatnonzero(np.diff(np.pad(levels < _PAUSE * loudest, 1).astype(int)))
    out = samples.copy()
    for first, end in edges.reshape(-1, 2) * _BLOCK:
        length = min(round(rng.uniform(*_BREATH_S) * SAMPLE_RATE_HZ), int(end - first) - _BLOCK)
        if length < _BREATH_S[0] * SAMPLE_RATE_HZ:
            continue
        air = rng.standard_normal(length).astype(np.float32)
        air = band_limited(air, rng.uniform(300, 900), rng.uniform(3_000, 6_500))
        swell = np.sin(np.pi * np.linspace(0, 1, length) ** 1.5)
        level = loudest * 10 ** (-below_db / 20) / (np.sqrt(np.square(air).mean()) + _HUSH)
        start = int(end) - _BLOCK // 2 - length
        out[start : start + length] += (level * swell * air).astype(np.float32)
    return out


def with_noise(samples: Samples, snr_db: float, tilt: float, rng: Generator) -> Samples:
    """Add steady noise of spectrum 1/f**tilt (0 white, 1 pink, 2 brown)."""
    spectrum = np.fft.rfft(rng.standard_normal(len(samples)))
    spectrum /= np.maximum(np.arange(len(spectrum)), 40 * len(samples) / SAMPLE_RATE_HZ) ** (
        tilt / 2
    )
    return _mixed(samples, np.fft.irfft(spectrum, len(samples)), snr_db)


def with_babble(
    samples: Samples, others: Sequence[Samples], snr_db: float, rng: Generator
) -> Samples:
    """Add one to four other speakers at once, from a random moment on, repeated to the end."""
    count = int(rng.integers(1, min(4, len(others)) + 1))
    crowd = np.zeros(len(samples))
    for index in rng.choice(len(others), count, replace=False):
        start = int(rng.integers(len(others[index])))
        crowd += np.resize(np.roll(others[index], -start), len(samples))
    return _mixed(samples, crowd, snr_db)


def with_music(samples: Samples, snr_db: float, rng: Generator) -> Samples:
    """Play music beside the voice, made up for it."""
    return _mixed(samples, made_up(len(samples), rng), snr_db)


def in_room(samples: Samples, rt60_s: float, wet: float, rng: Generator) -> Samples:
    """Put the speaker into a plain room: direct sound, then echoes that fade 60 dB in ``rt60_s``.

    Args:
        samples: dry voice.
        rt60_s: reverberation time.
        wet: energy of the echoes against the direct sound, which keeps its time and level.
        rng: draws the echoes.
    """
    length = round(rt60_s * SAMPLE_RATE_HZ)
    fade = 10 ** (-3 * np.arange(length) / length)
    echoes = rng.standard_normal(length) * fade
    echoes[: round(0.003 * SAMPLE_RATE_HZ)] = 0
    echoes *= np.sqrt(wet / (np.square(echoes).sum() + _HUSH))
    echoes[0] = 1.0
    return np.asarray(fftconvolve(samples, echoes)[: len(samples)], np.float32)


def band_limited(samples: Samples, low_hz: float, high_hz: float) -> Samples:
    """Keep one band, as a telephone does; no phase shift, so nothing moves in time."""
    band = (low_hz, min(high_hz, 0.49 * SAMPLE_RATE_HZ))
    sections = butter(2, band, "bandpass", fs=SAMPLE_RATE_HZ, output="sos")
    return np.asarray(sosfiltfilt(sections, samples), np.float32)


def _mixed(samples: Samples, noise: NDArray[np.float64], snr_db: float) -> Samples:
    """Add ``noise`` so that the voice, pauses included, is ``snr_db`` above it."""
    voice_power = float(np.mean(np.square(samples))) + _HUSH
    noise_power = float(np.mean(np.square(noise))) + _HUSH
    gain = np.sqrt(voice_power / noise_power * 10 ** (-snr_db / 10))
    return np.asarray(samples + gain * noise, np.float32)

"""What happens to a voice between a mouth and the model: level, noise, rooms, lines, others.

Every function keeps the length and the timing of the sound, so the curves of a clip stay true.
Samples are float32 in [-1, 1], mono, 16 kHz.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.signal import butter, fftconvolve, sosfiltfilt

from realtime_model.training.speech.voices import SAMPLE_RATE_HZ, Samples

_HUSH = 1e-9
_LOSS_FRAME = SAMPLE_RATE_HZ // 50
_BLOCK = SAMPLE_RATE_HZ // 25
_WINDOW = np.sin(np.pi * (np.arange(_BLOCK) + 0.5) / _BLOCK)
"""Used before and after the spectrum, so that its squares add up to a constant."""


@dataclass(frozen=True, slots=True)
class AugmentOdds:
    """How often each mishap strikes a clip, 0 to 1; the rest of the clips stay clean."""

    gain: float = 0.8
    noise: float = 0.5
    babble: float = 0.15
    room: float = 0.3
    line: float = 0.25
    coding: float = 0.2
    loss: float = 0.1
    clipping: float = 0.08


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
    if rng.random() < odds.room:
        samples = in_room(samples, rng.uniform(0.12, 0.7), rng.uniform(0.1, 0.6), rng)
    if others and rng.random() < odds.babble:
        samples = with_babble(samples, others, rng.uniform(6, 25), rng)
    if rng.random() < odds.noise:
        samples = with_noise(samples, rng.uniform(5, 40), rng.uniform(0, 2), rng)
    if rng.random() < odds.gain:
        samples = amplified(samples, rng.uniform(-22, 8))
    if rng.random() < odds.clipping:
        samples = clipped(samples, rng.uniform(0.3, 0.8))
    if rng.random() < odds.line:
        samples = band_limited(samples, rng.uniform(40, 300), rng.uniform(3_000, 7_000))
    if rng.random() < odds.coding:
        samples = coded(samples, rng.uniform(8, 24))
    if rng.random() < odds.loss:
        samples = with_loss(samples, rng.uniform(0.01, 0.08), rng)
    return np.clip(samples, -1, 1).astype(np.float32)


def amplified(samples: Samples, gain_db: float) -> Samples:
    """Turn the level up or down."""
    return samples * np.float32(10 ** (gain_db / 20))


def clipped(samples: Samples, share: float) -> Samples:
    """Overdrive the microphone: peaks are cut at ``share`` of the loudest sample."""
    limit = share * float(np.abs(samples).max(initial=_HUSH))
    return np.clip(samples, -limit, limit)


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


def coded(samples: Samples, keep_db: float) -> Samples:
    """Quantise the spectrum the way transform codecs do at low rates.

    Every 40 ms block loses what lies more than ``keep_db`` below its loudest line, and the rest is
    rounded to steps of a quarter of that threshold.
    """
    spectrum = _spectrum(samples, _BLOCK // 2)
    floor = np.abs(spectrum).max(axis=1, keepdims=True) * 10 ** (-keep_db / 20) + _HUSH
    kept = np.where(np.abs(spectrum) > floor, spectrum, 0)
    step = floor / 4
    rounded = step * (np.round(kept.real / step) + 1j * np.round(kept.imag / step))
    return _sound(rounded, _BLOCK // 2, len(samples))


def with_loss(samples: Samples, share: float, rng: Generator) -> Samples:
    """Lose packets of 20 ms; the receiver repeats the last one, quieter each time."""
    out = samples.copy()
    for i in range(1, len(samples) // _LOSS_FRAME):
        if rng.random() < share:
            here = slice(i * _LOSS_FRAME, (i + 1) * _LOSS_FRAME)
            before = slice((i - 1) * _LOSS_FRAME, i * _LOSS_FRAME)
            out[here] = 0.6 * out[before]
    return out


def as_other_speaker(samples: Samples, pitch: float, formants: float) -> Samples:
    """Say the same at the same time with another throat.

    Args:
        samples: the voice.
        pitch: factor on the fundamental; 2 is an octave up.
        formants: factor on the resonances; above 1 a shorter vocal tract.
    """
    longer = _stretched(samples, pitch)
    squeezed = np.interp(np.arange(len(samples)) * pitch, np.arange(len(longer)), longer)
    spectrum = _spectrum(squeezed, _BLOCK // 4)
    # The envelope moved along with the pitch; move it to where it is wanted.
    envelope = _envelope(spectrum)
    bins = np.arange(spectrum.shape[1])
    wanted = np.stack([np.interp(bins * pitch / formants, bins, row) for row in envelope])
    return _sound(spectrum * np.exp(wanted - envelope), _BLOCK // 4, len(samples))


def _stretched(samples: Samples, factor: float) -> Samples:
    """Make speech ``factor`` times as long at the same pitch, by a phase vocoder."""
    hop = _BLOCK // 4
    spectrum = _spectrum(samples, hop)
    places = np.arange(0, len(spectrum) - 1, 1 / factor)
    left = places.astype(int)
    share = (places - left)[:, None]
    loudness = (1 - share) * np.abs(spectrum[left]) + share * np.abs(spectrum[left + 1])
    expected = 2 * np.pi * hop / _BLOCK * np.arange(spectrum.shape[1])
    turn = np.angle(spectrum[left + 1]) - np.angle(spectrum[left]) - expected
    turn = expected + turn - 2 * np.pi * np.round(turn / (2 * np.pi))
    phase = np.angle(spectrum[:1]) + np.cumsum(turn, axis=0) - turn[:1]
    return _sound(loudness * np.exp(1j * phase), hop, round(len(samples) * factor))


def _envelope(spectrum: NDArray[np.complex128]) -> NDArray[np.float64]:
    """Return the smooth log magnitude of every block: its cepstrum below 1.5 ms."""
    cepstrum = np.fft.irfft(np.log(np.abs(spectrum) + 1e-5))
    keep = round(0.0015 * SAMPLE_RATE_HZ)
    cepstrum[:, keep:-keep] = 0
    return np.fft.rfft(cepstrum).real


def _spectrum(samples: NDArray[np.floating[Any]], hop: int) -> NDArray[np.complex128]:
    """Return the spectrum of overlapping blocks, (blocks, lines); see `_sound` for the way back."""
    blocks = -(-len(samples) // hop) + _BLOCK // hop
    padded = np.zeros((blocks - 1) * hop + _BLOCK)
    padded[_BLOCK - hop : _BLOCK - hop + len(samples)] = samples
    framed = np.lib.stride_tricks.sliding_window_view(padded, _BLOCK)[::hop]
    return np.fft.rfft(framed * _WINDOW)


def _sound(spectrum: NDArray[np.complex128], hop: int, length: int) -> Samples:
    """Overlap-add the blocks of `_spectrum`; unchanged blocks give the sound they came from."""
    out = np.zeros((len(spectrum) - 1) * hop + _BLOCK)
    for i, block in enumerate(np.fft.irfft(spectrum)):
        out[i * hop : i * hop + _BLOCK] += block * _WINDOW
    out *= 2 * hop / _BLOCK
    start = _BLOCK - hop
    return np.resize(out[start : start + length], length).astype(np.float32)


def _mixed(samples: Samples, noise: NDArray[np.float64], snr_db: float) -> Samples:
    """Add ``noise`` so that the voice, pauses included, is ``snr_db`` above it."""
    voice_power = float(np.mean(np.square(samples))) + _HUSH
    noise_power = float(np.mean(np.square(noise))) + _HUSH
    gain = np.sqrt(voice_power / noise_power * 10 ** (-snr_db / 10))
    return np.asarray(samples + gain * noise, np.float32)

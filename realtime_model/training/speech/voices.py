"""What a speech engine promises, and what it returns."""

from dataclasses import dataclass
from math import gcd
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.io import wavfile
from scipy.signal import resample_poly

from realtime_model.training.speech.articulation import is_vowel
from realtime_model.training.speech.phones import SILENCE, Phone, merged_silence, shifted

SAMPLE_RATE_HZ = 16_000

_HEARD_STEP_S = 0.01
_EDGE_S = 0.04
_SOUNDS_ABOVE, _VOWEL_SOUNDS_ABOVE = 1e-4, 1e-3
"""Power over that of the loudest 10 ms, -40 and -30 dB. An engine may count the breath after a
phrase to its last vowel; a vowel is louder than a breath, a final /t/ or /f/ is not."""
_HUSH = 1e-9

Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Recording:
    """Speech and what is said when.

    Attributes:
        samples: float32 in [-1, 1], mono, 16 kHz.
        phones: without gaps from 0 to the end; empty when nobody knows the timing.
    """

    samples: Samples
    phones: list[Phone]

    @property
    def duration_s(self) -> float:
        return len(self.samples) / SAMPLE_RATE_HZ


class Voice(Protocol):
    """One speaker of one engine."""

    def speak(self, text: str, speed: float) -> Recording:
        """Say ``text``; ``speed`` 1 is the speaker's own pace, 2 twice as fast."""


def read_wav(path: Path) -> tuple[Samples, int]:
    """Read a mono file of 16 bits: samples in [-1, 1] and their rate."""
    rate_hz, pcm = wavfile.read(path)
    return pcm.astype(np.float32) / np.float32(32_768), rate_hz


def resampled(samples: Samples, rate_hz: int) -> Samples:
    """Bring samples at ``rate_hz`` to 16 kHz."""
    if rate_hz == SAMPLE_RATE_HZ:
        return samples
    common = gcd(rate_hz, SAMPLE_RATE_HZ)
    up, down = SAMPLE_RATE_HZ // common, rate_hz // common
    return np.asarray(resample_poly(samples, up, down), np.float32)


def recording(samples: Samples, rate_hz: int, phones: list[Phone]) -> Recording:
    """Make a recording of which every moment belongs to one phone, silence included.

    An engine may count a pause to the sound beside it; there the phone is cut to what is heard.
    """
    at_16k = resampled(samples, rate_hz)
    end_s = len(at_16k) / SAMPLE_RATE_HZ
    inside = [
        Phone(phone.ipa, max(phone.start_s, 0.0), min(phone.end_s, end_s))
        for phone in phones
        if phone.start_s < end_s and phone.end_s > 0
    ]
    loudness = _loudness(at_16k)
    full: list[Phone] = [Phone(SILENCE, 0.0, inside[0].start_s if inside else end_s)]
    for i, phone in enumerate(inside):
        before = i == 0 or inside[i - 1].ipa == SILENCE
        after = i == len(inside) - 1 or inside[i + 1].ipa == SILENCE
        full += _cut_to_sound(phone, loudness, before=before, after=after)
    full.append(Phone(SILENCE, full[-1].end_s, end_s))
    return Recording(at_16k, merged_silence(full))


def _loudness(samples: Samples) -> NDArray[np.floating]:
    """Return for every 10 ms its power over that of the loudest."""
    step = round(_HEARD_STEP_S * SAMPLE_RATE_HZ)
    power = np.square(samples[: len(samples) // step * step].reshape(-1, step)).mean(axis=1)
    return np.asarray(power / power.max(initial=_HUSH))


def _cut_to_sound(
    phone: Phone, loudness: NDArray[np.floating], *, before: bool, after: bool
) -> list[Phone]:
    """Give the silent edges of a phone to the silence ``before`` or ``after`` it."""
    if phone.ipa == SILENCE or not (before or after):
        return [phone]
    first, last = int(phone.start_s / _HEARD_STEP_S), int(phone.end_s / _HEARD_STEP_S)
    least = _VOWEL_SOUNDS_ABOVE if is_vowel(phone.ipa) else _SOUNDS_ABOVE
    loud = np.flatnonzero(loudness[first:last] > least) + first
    if not len(loud):
        return [phone]
    # A stop is silent before its burst, so a phone keeps a little of the hush at its edges.
    start_s, end_s = phone.start_s, phone.end_s
    if before:
        start_s = max(start_s, loud[0] * _HEARD_STEP_S - _EDGE_S)
    if after:
        end_s = min(end_s, (loud[-1] + 1) * _HEARD_STEP_S + _EDGE_S)
    return [
        Phone(SILENCE, phone.start_s, start_s),
        Phone(phone.ipa, start_s, end_s),
        Phone(SILENCE, end_s, phone.end_s),
    ]


def silence(duration_s: float) -> Recording:
    """Return a pause."""
    samples = np.zeros(round(duration_s * SAMPLE_RATE_HZ), np.float32)
    return recording(samples, SAMPLE_RATE_HZ, [])


def joined(parts: list[Recording]) -> Recording:
    """Play one recording after the other; the whole has phones only if every part has."""
    samples = np.concatenate([part.samples for part in parts])
    if any(len(part.samples) and not part.phones for part in parts):
        return Recording(samples, [])
    phones: list[Phone] = []
    start_s = 0.0
    for part in parts:
        phones += shifted(part.phones, start_s)
        start_s += part.duration_s
    return Recording(samples, merged_silence(phones))


def levelled(samples: Samples, level_db: float = -23.0) -> Samples:
    """Bring the speech in ``samples`` to one RMS level, pauses not counted; peaks below 0.95."""
    frames = samples[: len(samples) // 320 * 320].reshape(-1, 320)
    power = np.square(frames).mean(axis=1)
    active = power[power > 1e-3 * power.max(initial=_HUSH)]
    if not len(active):
        return samples
    gain = 10 ** (level_db / 20) / np.sqrt(active.mean())
    return samples * np.float32(min(gain, 0.95 / np.abs(samples).max()))

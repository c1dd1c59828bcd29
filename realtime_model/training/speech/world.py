"""The WORLD vocoder: takes speech apart into pitch, resonances and breath, and puts it together.

Source: Morise, Yokomori and Ozawa, IEICE Trans. E99-D (2016), 1877, through the package pyworld.
"""

import importlib.util
from dataclasses import dataclass
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from realtime_model.training.speech.packages import PackageError
from realtime_model.training.speech.voices import SAMPLE_RATE_HZ, Samples

STEP_S = 0.005
LOWEST_HZ, HIGHEST_HZ = 60.0, 500.0

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class VoiceParts:
    """A voice in parts, one row every 5 ms.

    Attributes:
        pitch_hz: (t,); 0 where there is none.
        envelope: power of the vocal tract's resonances, (t, lines).
        breath: share of noise, 0 to 1, (t, lines).
    """

    pitch_hz: Floats
    envelope: Floats
    breath: Floats

    @property
    def own_hz(self) -> float:
        """The speaker's usual pitch."""
        voiced = self.pitch_hz[self.pitch_hz > 0]
        return float(np.median(voiced)) if len(voiced) else LOWEST_HZ

    @property
    def lines_hz(self) -> Floats:
        return np.linspace(0, SAMPLE_RATE_HZ / 2, self.envelope.shape[1])

    def at(self, moments_s: Floats) -> "VoiceParts":
        """Return the parts at other moments, (n,): resonances are blended, the pitch is nearest."""
        last = len(self.pitch_hz) - 1
        row = np.clip(moments_s / STEP_S, 0, last)
        left = row.astype(int)
        right, share = np.minimum(left + 1, last), (row - left)[:, None]
        return VoiceParts(
            self.pitch_hz[np.round(row).astype(int)],
            (1 - share) * self.envelope[left] + share * self.envelope[right],
            (1 - share) * self.breath[left] + share * self.breath[right],
        )


def pitch_of(samples: Samples) -> tuple[Floats, Floats]:
    """Return the pitch in Hz every 5 ms, 0 where there is none, and its times, (t,) each."""
    found_hz, times_s = _world().harvest(
        samples.astype(np.float64),
        SAMPLE_RATE_HZ,
        f0_floor=LOWEST_HZ,
        f0_ceil=HIGHEST_HZ,
        frame_period=1_000 * STEP_S,
    )
    return found_hz, times_s


def taken_apart(samples: Samples, pitch_hz: Floats, times_s: Floats) -> VoiceParts:
    """Return the parts of a voice whose pitch is known, see `pitch_of`."""
    sound = samples.astype(np.float64)
    envelope = _world().cheaptrick(sound, pitch_hz, times_s, SAMPLE_RATE_HZ)
    return VoiceParts(pitch_hz, envelope, _world().d4c(sound, pitch_hz, times_s, SAMPLE_RATE_HZ))


def put_together(parts: VoiceParts, count: int) -> Samples:
    """Return ``count`` samples of a voice; peaks are kept below 0.95."""
    sound = _world().synthesize(
        *(np.ascontiguousarray(p) for p in (parts.pitch_hz, parts.envelope, parts.breath)),
        SAMPLE_RATE_HZ,
        1_000 * STEP_S,
    )
    samples = np.zeros(count, np.float32)
    samples[: len(sound)] = sound[:count]
    return samples * np.float32(min(1.0, 0.95 / float(np.abs(samples).max(initial=1e-9))))


@cache
def _world() -> ModuleType:
    """Load pyworld's library without its package.

    ``pyworld/__init__.py`` (0.3.5) imports pkg_resources, which setuptools 82 removed. Once a
    release does without, ``import pyworld`` is enough.
    """
    package = importlib.util.find_spec("pyworld")
    for folder in (package.submodule_search_locations or ()) if package else ():
        for suffix in EXTENSION_SUFFIXES:
            library = Path(folder) / f"pyworld{suffix}"
            spec = importlib.util.spec_from_file_location("pyworld.pyworld", library)
            if library.is_file() and spec is not None and spec.loader is not None:
                module = importlib.util.module_from_spec(spec)
                spec.loader.exec_module(module)
                return module
    raise PackageError("pyworld is not installed: run `pip install 'emolive[train]'`")

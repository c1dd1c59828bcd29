"""All about a talking person that the words do not decide: head, gaze, brows, breath.

All curves are random with the statistics of people at rest and in speech, deterministic from a
seed, at 25 fps. Blinks are not among them: the lids of a portrait are lowered by themselves.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from realtime_model.gestures import UNITS
from realtime_model.rig import Pose, arkit_labels

Floats = NDArray[np.float32]

FPS = 25
_DEGREE = np.pi / 180


@dataclass(frozen=True, slots=True)
class Performance:
    """A played clip: one pose a frame.

    Attributes:
        shapes: (t, 52) ARKit activations, mouth included.
        rotation_rad: (t, 3) pitch, yaw, roll.
        shift: (t, 2) in face widths.
        gaze: (t, 2) in iris diameters.
    """

    shapes: Floats
    rotation_rad: Floats
    shift: Floats
    gaze: Floats

    def __len__(self) -> int:
        return len(self.shapes)

    def pose(self, frame: int) -> Pose:
        pitch, yaw, roll = (float(v) for v in self.rotation_rad[frame])
        return Pose(
            self.shapes[frame],
            (pitch, yaw, roll),
            (float(self.shift[frame, 0]), float(self.shift[frame, 1])),
            (float(self.gaze[frame, 0]), float(self.gaze[frame, 1])),
        )

    @property
    def gesture(self) -> Floats:
        """What a stream is asked to do besides speaking, (t, 5), see `realtime_model.gestures`."""
        return (np.concatenate([self.rotation_rad, self.gaze], 1) / UNITS).astype(np.float32)

    @property
    def speed_deg(self) -> Floats:
        """Angular speed of the head, degrees per frame, (t,)."""
        step = np.diff(self.rotation_rad, axis=0, prepend=self.rotation_rad[:1])
        return np.asarray(np.linalg.norm(step, axis=1) / _DEGREE, np.float32)


def perform(mouth: Floats, loudness: Floats, seed: int, *, liveliness: float = 1.0) -> Performance:
    """Add head, eyes and brows to the mouth curves of a clip.

    Args:
        mouth: (t, 52) activations of the speech.
        loudness: (t,) in [0, 1]; heads move and brows rise with stress, both rest in silence.
        seed: the same seed gives the same performance.
        liveliness: scales head motion; 0 holds still.
    """
    rng = np.random.default_rng(seed)
    frames = len(mouth)
    index = {name: i for i, name in enumerate(arkit_labels())}
    shapes = mouth.astype(np.float32).copy()
    energy = _smooth(loudness, 12)
    stress = _smooth(np.clip(loudness - energy, 0, 1), 4)
    drive = 0.45 + 0.9 * energy
    rotation = np.stack(
        [
            (_drift(rng, frames, 38) * 2.4 + stress * 9.0) * drive,
            _drift(rng, frames, 46) * 4.2 * drive,
            _drift(rng, frames, 52) * 2.2 * drive,
        ],
        1,
    ) * (_DEGREE * liveliness * rng.uniform(0.6, 1.3))
    breath = np.sin(np.arange(frames) / FPS * 2 * np.pi * 0.26 + rng.uniform(0, 6.28))
    shift = np.stack(
        [_drift(rng, frames, 60) * 0.012, breath * 0.004 + _drift(rng, frames, 60) * 0.01], 1
    )
    for side in ("Left", "Right"):
        shapes[:, index[f"mouthSmile{side}"]] += np.clip(_drift(rng, frames, 90), 0, 1) * 0.1
    raise_brow = np.clip(_drift(rng, frames, 40) * 0.18 + stress * 1.4, 0, 0.7)
    shapes[:, index["browInnerUp"]] = raise_brow
    shapes[:, index["browOuterUpLeft"]] = raise_brow * 0.6
    shapes[:, index["browOuterUpRight"]] = raise_brow * 0.6
    gaze = _saccades(rng, frames) - np.stack([rotation[:, 1], rotation[:, 0]], 1) * [-0.9, 0.5]
    return Performance(
        np.clip(shapes, 0, 1.2).astype(np.float32),
        rotation.astype(np.float32),
        (shift * liveliness).astype(np.float32),
        np.clip(gaze, -0.45, 0.45).astype(np.float32),
    )


def loudness_of(audio: NDArray[np.int16], frames: int) -> Floats:
    """Loudness per frame in [0, 1], -50 dB to -10 dB of full scale, from 16 kHz samples."""
    padded = np.zeros(frames * 640, np.float32)
    padded[: min(len(audio), len(padded))] = audio[: len(padded)] / 32768.0
    power = (padded.reshape(frames, 640) ** 2).mean(1)
    return np.asarray(np.clip((10 * np.log10(power + 1e-9) + 50) / 40, 0, 1), np.float32)


def _smooth(x: Floats, width: int) -> Floats:
    kernel = np.hanning(2 * width + 1)[1:-1]
    padded = np.pad(x, len(kernel) // 2, mode="edge")
    return np.convolve(padded, kernel / kernel.sum(), "valid")[: len(x)].astype(np.float32)


def _drift(rng: np.random.Generator, frames: int, width: int) -> Floats:
    """Smooth noise of unit deviation whose turns take about ``width`` frames."""
    kernel = np.exp(-(np.linspace(-3, 3, width) ** 2) / 2)
    noise = rng.normal(size=frames + width - 1)
    return np.convolve(noise, kernel / np.sqrt((kernel**2).sum()), "valid").astype(np.float32)


def _saccades(rng: np.random.Generator, frames: int) -> Floats:
    """Gaze jumps every second or two, mostly back to the viewer."""
    out, at = np.zeros((frames, 2), np.float32), 0
    while at < frames:
        hold = int(rng.uniform(15, 60))
        if rng.random() < 0.4:
            out[at : at + hold] = rng.normal(0, [0.14, 0.06])
        at += hold
    return np.stack([_smooth(out[:, 0], 2), _smooth(out[:, 1], 2)], 1)

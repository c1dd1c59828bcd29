"""Filming a portrait that speaks, and reading the film: all judgements rest on these two.

What is read is what a viewer sees: the face landmarker looks at the finished frames. How good the
readings are is said in `realtime_model.training.judging`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from realtime_model.contract import AudioWindow, RgbImage, StreamOptions
from realtime_model.face import Face, FaceLandmarker
from realtime_model.generator import Generator
from realtime_model.geometry import WindowGeometry

_LIDS = ((159, 145, 33, 133), (386, 374, 263, 362))  # upper lid, lower lid, corners
_LIPS = ((13, 14), (82, 87), (312, 317))  # upper inner lip, lower inner lip
_CHEEKS = (234, 454)
_CORNERS = (61, 291)
# Landmarks that neither speech nor expression moves: forehead, temples, corners of the eyes, nose.
_STEADY = (10, 67, 297, 127, 356, 234, 454, 33, 133, 362, 263, 168, 6, 197, 195)


@dataclass(frozen=True, slots=True)
class Tracked:
    """What the landmarker read off a film, one value a frame.

    Attributes:
        opening: gap between the inner lips over the width of the face, (t,).
        eyes: height of the more open eye over its width, (t,).
        width: distance of the corners of the mouth over the width of the face, (t,).
        angles_deg: pitch, yaw and roll against the first frame, (t, 3).
        lost: frames without a face; they repeat the frame before.
    """

    opening: NDArray[np.float32]
    eyes: NDArray[np.float32]
    width: NDArray[np.float32]
    angles_deg: NDArray[np.float32]
    lost: int


def film(
    model: Generator,
    portrait: RgbImage,
    audio: NDArray[np.int16],
    *,
    seed: int = 0,
    steps: int | None = None,
) -> NDArray[np.uint8]:
    """Frames (t, h, w, 3) of a portrait saying a recording, as a live stream would render it."""
    frames = -(-len(audio) // model.geometry.samples_per_frame)
    options = StreamOptions(seed=seed, steps=steps)
    return np.concatenate(list(film_chunks(model, portrait, audio, frames, options=options)))


def film_chunks(
    model: Generator,
    portrait: RgbImage,
    audio: NDArray[np.int16],
    frames: int,
    *,
    options: StreamOptions | None = None,
    looped: bool = False,
) -> Iterator[NDArray[np.uint8]]:
    """Yield a film chunk by chunk, so that it may be longer than the memory.

    Args:
        model: renders it.
        portrait: who speaks, uint8 RGB of any size.
        audio: int16, 16 kHz.
        frames: how many to film; the last chunk is cut.
        options: of the stream.
        looped: say the recording again and again; otherwise silence follows it.
    """
    geometry = model.geometry
    options = options or StreamOptions()
    stream = f"film-{options.seed}"
    model.open(stream, portrait, options)
    try:
        for chunk in range(-(-frames // geometry.hop_frames)):
            window = AudioWindow(cut_window(audio, geometry, chunk, looped=looped), chunk)
            made = model.render({stream: window})[stream].frames
            yield made[: frames - chunk * geometry.hop_frames]
    finally:
        model.close(stream)


def cut_window(
    audio: NDArray[np.int16], geometry: WindowGeometry, chunk: int, *, looped: bool = False
) -> NDArray[np.float32]:
    """The window of a chunk, float32 in [-1, 1]; there is silence before the first sample."""
    at = chunk * geometry.hop_samples - geometry.past_samples + np.arange(geometry.window_samples)
    heard = at >= 0
    if looped:
        at %= len(audio)
    heard &= at < len(audio)
    out = np.zeros(len(at), np.float32)
    out[heard] = audio[at[heard]] / np.float32(32_768)
    return out


def track(frames: Iterable[RgbImage], landmarker: FaceLandmarker) -> Tracked:
    """Read mouth, eyes and head off every frame; a lost face repeats the frame before."""
    rows: list[tuple[float, float, float]] = []
    angles: list[NDArray[np.float64]] = []
    first: Face | None = None
    face: Face | None = None
    lost = 0
    for frame in frames:
        found = landmarker.track(np.ascontiguousarray(frame), face)
        lost += found is None
        face = found or face
        first = first or face
        if face is None or first is None:
            rows.append((0.0, 0.3, 0.3))
            angles.append(np.zeros(3))
        else:
            rows.append((mouth_opening(face), eye_opening(face), mouth_width(face)))
            angles.append(head_turn(first.landmarks, face.landmarks))
    opening, eyes, width = np.array(rows, np.float32).reshape(-1, 3).T
    turned = np.array(angles, np.float32).reshape(-1, 3)
    return Tracked(opening, eyes, width, turned, lost)


def mouth_opening(face: Face) -> float:
    """Gap between the inner lips over the width of the face."""
    return float(np.mean([_distance(face, *pair) for pair in _LIPS])) / _distance(face, *_CHEEKS)


def mouth_width(face: Face) -> float:
    """Distance of the corners of the mouth over the width of the face."""
    return _distance(face, *_CORNERS) / _distance(face, *_CHEEKS)


def eye_opening(face: Face) -> float:
    """Height of the more open eye over its width."""
    return max(_distance(face, up, low) / _distance(face, a, b) for up, low, a, b in _LIDS)


def head_turn(rest: NDArray[np.floating], moved: NDArray[np.floating]) -> NDArray[np.float64]:
    """Pitch, yaw and roll in degrees, (3,), that lead from one set of landmarks to another.

    The turn is the one that brings the steady landmarks, each (478, 3), closest together.

    Source: Kabsch, Acta Cryst. A32 (1976), 922.
    """
    a, b = (p[list(_STEADY)].astype(np.float64) for p in (rest, moved))
    left, _, right = np.linalg.svd((a - a.mean(0)).T @ (b - b.mean(0)))
    mirror = np.diag([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
    turn = (left @ mirror @ right).T
    pitch = np.arctan2(-turn[1, 2], turn[2, 2])
    yaw = np.arcsin(np.clip(turn[0, 2], -1, 1))
    roll = np.arctan2(-turn[0, 1], turn[0, 0])
    return np.asarray(np.degrees([pitch, yaw, roll]), np.float64)


def _distance(face: Face, a: int, b: int) -> float:
    """Pixels between two landmarks as seen on the picture."""
    return float(np.linalg.norm(face.landmarks[a, :2] - face.landmarks[b, :2]))

"""Judging the model on portraits and voices it never saw: lips, silence, identity, background.

What is measured is what a viewer sees: the face landmarker reads the mouth off the rendered frames,
on the model's frames and on the rig's, which spoke the same clip. Nothing here reads a training
portrait or voice.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime_model.contract import AudioWindow, RgbImage, StreamOptions
from realtime_model.face import Face, FaceLandmarker
from realtime_model.generator import Generator
from realtime_model.training.correlation import lagged_correlation
from realtime_model.training.identity import FaceEmbedder
from realtime_model.training.rendering import Clip, Sitter
from realtime_model.training.rig import PhotoRig, Pose

_LIDS = ((159, 145, 33, 133), (386, 374, 263, 362))  # upper lid, lower lid, corners


@dataclass(frozen=True, slots=True)
class ClipFigures:
    """Figures of one portrait saying one clip.

    Attributes:
        lips: correlation of the mouth's opening with the rig's curve, best within 2 frames.
        lag_frames: that lag, positive when the model is late.
        lips_shuffled: the same against another clip's curve.
        spread: deviation of the opening, model over rig.
        silent_opening: opening in silence over the speaking range (5th to 95th percentile).
        blinks_per_minute: closings of both eyes.
        identity_median: face-embedding distance of frames to the portrait; None if not asked.
        identity_max: the largest of these distances.
        background: mean absolute change between frames outside the head, in levels of 255.
        sharpness: Laplacian variance inside the face over the portrait's.
    """

    portrait: str
    clip: str
    lips: float
    lag_frames: int
    lips_shuffled: float
    spread: float
    silent_opening: float | None
    blinks_per_minute: float
    identity_median: float | None
    identity_max: float | None
    background: float
    sharpness: float


@dataclass(frozen=True, slots=True)
class Tracked:
    """What the landmarker read off a film: opening over face width, eyes' openness, both (t,)."""

    opening: NDArray[np.float32]
    eyes: NDArray[np.float32]


def film(
    model: Generator,
    portrait: RgbImage,
    audio: NDArray[np.int16],
    *,
    seed: int = 0,
    steps: int | None = None,
) -> NDArray[np.uint8]:
    """Frames (t, h, w, 3) of a portrait saying a recording, as a live stream would render it."""
    geometry = model.geometry
    frames = -(-len(audio) // geometry.samples_per_frame)
    chunks = -(-frames // geometry.hop_frames)
    ahead = geometry.lookahead_samples
    padded = np.zeros(geometry.past_samples + chunks * geometry.hop_samples + ahead, np.float32)
    padded[geometry.past_samples : geometry.past_samples + len(audio)] = audio / 32768.0
    stream = f"film-{seed}"
    model.open(stream, portrait, StreamOptions(seed=seed, steps=steps))
    try:
        out = []
        for chunk in range(chunks):
            start = chunk * geometry.hop_samples
            window = AudioWindow(padded[start : start + geometry.window_samples], chunk)
            out.append(model.render({stream: window})[stream].frames)
        return np.concatenate(out)[:frames]
    finally:
        model.close(stream)


def track(frames: Sequence[RgbImage] | NDArray[np.uint8], landmarker: FaceLandmarker) -> Tracked:
    """Read mouth and eyes off every frame; a lost face repeats the frame before."""
    opening, eyes, face = [], [], None
    for frame in frames:
        face = landmarker.track(np.ascontiguousarray(frame), face) or face
        opening.append(0.0 if face is None else mouth_opening(face))
        eyes.append(0.3 if face is None else eye_opening(face))
    return Tracked(np.array(opening, np.float32), np.array(eyes, np.float32))


def mouth_opening(face: Face) -> float:
    """Gap between the inner lips over the width of the face."""
    gaps = [
        np.linalg.norm(face.landmarks[a, :2] - face.landmarks[b, :2])
        for a, b in ((13, 14), (82, 87), (312, 317))
    ]
    return float(np.mean(gaps)) / float(
        np.linalg.norm(face.landmarks[234, :2] - face.landmarks[454, :2])
    )


def eye_opening(face: Face) -> float:
    """Height of the more open eye over its width."""
    marks = face.landmarks[:, :2]
    return max(
        float(np.linalg.norm(marks[up] - marks[low]) / np.linalg.norm(marks[a] - marks[b]))
        for up, low, a, b in _LIDS
    )


def judge(
    model: Generator,
    sitter: Sitter,
    clip: Clip,
    other: Clip,
    landmarker: FaceLandmarker,
    embedder: FaceEmbedder | None,
) -> ClipFigures:
    """Let a portrait say a clip and measure what comes out."""
    frames = film(model, sitter.portrait.image, clip.audio)
    seen = track(frames, landmarker)
    jaw, foreign = rig_opening(sitter, clip), rig_opening(sitter, other)
    lips, lag = lagged_correlation(seen.opening, jaw, 2)
    speaking = jaw > 0.02
    silent = _silent(clip.audio, len(frames))
    low, high = np.percentile(seen.opening, [5, 95])
    quiet = (
        float((np.median(seen.opening[silent]) - low) / max(high - low, 1e-6))
        if silent.sum() > 10 and speaking.any()
        else None
    )
    distances = embedder.distances(sitter.portrait.image, frames[::12]) if embedder else None
    return ClipFigures(
        portrait=sitter.name,
        clip=clip.name,
        lips=lips,
        lag_frames=lag,
        lips_shuffled=lagged_correlation(seen.opening, foreign, 2)[0],
        spread=float(seen.opening.std() / max(float(jaw.std()), 1e-6)),
        silent_opening=quiet,
        blinks_per_minute=count_blinks(seen.eyes) / (len(frames) / 25 / 60),
        identity_median=None if distances is None else float(np.median(distances)),
        identity_max=None if distances is None else float(distances.max()),
        background=background_change(frames, sitter),
        sharpness=sharpness_ratio(frames, sitter),
    )


def rig_opening(sitter: Sitter, clip: Clip) -> NDArray[np.float32]:
    """The rig's own mouth opening for a clip, from the curves alone (no picture is drawn)."""
    rig = PhotoRig(sitter.portrait)
    out = []
    for shapes in clip.mouth:
        moved, _ = rig.landmarks(Pose(shapes))
        out.append(np.linalg.norm(moved[13] - moved[14]) / rig.face_width_px)
    return np.array(out, np.float32)


def count_blinks(eyes: NDArray[np.float32]) -> int:
    """Dips of the eyes' openness to under 60 % of its usual value."""
    closed = eyes < 0.6 * np.median(eyes)
    return int((closed[1:] & ~closed[:-1]).sum())


def background_change(frames: NDArray[np.uint8], sitter: Sitter) -> float:
    """Mean absolute difference of neighbouring frames in the upper corners, away from the head."""
    size = frames.shape[1]
    left = min(float(sitter.portrait.landmarks[:, 0].min()), size * 0.5)
    strip = max(4, int(min(left * 0.35, size * 0.12)))
    corners = np.concatenate([frames[:, : size // 6, :strip], frames[:, : size // 6, -strip:]], 2)
    return float(np.abs(np.diff(corners.astype(np.int16), axis=0)).mean())


def sharpness_ratio(frames: NDArray[np.uint8], sitter: Sitter) -> float:
    """Laplacian variance in the box of the face, frames over portrait."""
    left, top = sitter.portrait.landmarks[:, :2].min(0).astype(int).clip(0)
    right, bottom = sitter.portrait.landmarks[:, :2].max(0).astype(int)

    def variance(image: NDArray[np.uint8]) -> float:
        grey = cv2.cvtColor(image[top:bottom, left:right], cv2.COLOR_RGB2GRAY)
        return float(cv2.Laplacian(grey, cv2.CV_32F).var())

    return float(np.median([variance(f) for f in frames[::10]])) / max(
        variance(sitter.portrait.image), 1e-6
    )


def _silent(audio: NDArray[np.int16], frames: int) -> NDArray[np.bool_]:
    """Frames in silence for at least 300 ms already."""
    padded = np.zeros(frames * 640, np.float32)
    padded[: min(len(audio), len(padded))] = audio[: len(padded)]
    hush = np.asarray(np.sqrt((padded.reshape(frames, 640) ** 2).mean(1)) < 100)
    out = hush.copy()
    for back in range(1, 8):
        out[back:] &= hush[:-back]
        out[:back] = False
    return out


def summarise(figures: Sequence[ClipFigures]) -> dict[str, float]:
    """Means, medians and extremes over all clips, as the issue tables name them."""

    def of(name: str) -> NDArray[np.float64]:
        return np.array([v for f in figures if (v := getattr(f, name)) is not None], np.float64)

    out = {
        "lips_mean": of("lips").mean(),
        "lips_worst": of("lips").min(),
        "lips_shuffled_mean": of("lips_shuffled").mean(),
        "lag_frames_median": np.median(of("lag_frames")),
        "spread_median": np.median(of("spread")),
        "blinks_per_minute": of("blinks_per_minute").mean(),
        "background_change": of("background").mean(),
        "sharpness_median": np.median(of("sharpness")),
    }
    for name, reduce in (
        ("silent_opening", np.median),
        ("identity_median", np.median),
        ("identity_max", np.max),
    ):
        values = of(name)
        if len(values):
            out[name] = reduce(values)
    return {name: round(float(value), 4) for name, value in out.items()}


def evaluate(
    model: Generator,
    sitters: Sequence[Sitter],
    clips: Sequence[Clip],
    *,
    embedder: FaceEmbedder | None,
) -> Iterator[ClipFigures]:
    """Judge each portrait on one clip, each clip on at least one portrait; yields as it goes."""
    landmarker = FaceLandmarker()
    for number in range(max(len(sitters), len(clips))):
        sitter, clip = sitters[number % len(sitters)], clips[number % len(clips)]
        other = clips[(number + 1) % len(clips)]
        yield judge(model, sitter, clip, other, landmarker, embedder)


def contact_sheet(frames: NDArray[np.uint8], columns: int = 10) -> RgbImage:
    """A row of evenly spaced frames, to look at."""
    picks = np.linspace(0, len(frames) - 1, columns).astype(int)
    return np.concatenate([frames[i] for i in picks], axis=1)


def as_plain(figures: Sequence[ClipFigures]) -> list[dict[str, object]]:
    """For JSON."""
    return [asdict(f) for f in figures]


def write_sheet(path: Path, rows: Sequence[RgbImage]) -> None:
    """Write contact sheets below each other as a picture."""
    cv2.imwrite(str(path), np.concatenate(rows)[:, :, ::-1])

"""Clips that a finished network was taught on, streamed as serving does it, beside the truth.

A network that cannot say again what it has seen has not learned: this comes before any held-out
figure. The engine is the one that serves: windows, one a hop, and its own last latents.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from realtime_model.contract import AudioWindow, RgbImage, StreamOptions
from realtime_model.engine import denoise
from realtime_model.face import FaceLandmarker
from realtime_model.portrait import FramedPortrait
from realtime_model.pretrained.latents import ImageLatents
from realtime_model.training.correlation import correlation
from realtime_model.training.evaluation import cut_window, track
from realtime_model.training.judging.clip import Curves
from realtime_model.training.judging.lips import MouthScale
from realtime_model.training.judging.picture import seam_score, sharpness_ratio
from realtime_model.training.latents import Played
from realtime_model.training.motion import loudness_of
from realtime_model.training.rendering import Sitter
from realtime_model.unet.engine import UnetEngine
from realtime_model.unet.network import Portrait

_SHOWN = 8  # frames of a clip on the sheet
_LEAST_PX = 256  # smaller frames are enlarged for the landmarker
_CLOSED = 10  # per cent of the frames: those with the mouth least open say what closed is


@dataclass(frozen=True, slots=True)
class Taught:
    """A clip that was taught: who acts, what was kept of it, and its sound, int16 at 16 kHz."""

    sitter: Sitter
    played: Played
    audio: NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Figures:
    """What was read off a streamed clip.

    Attributes:
        lips: correlation of the mouth's opening with the rig's.
        shuffled: the same with another clip's.
        ceiling: the same of the latents it was taught on: what reading and autoencoder leave.
        spread: how far the mouth moves, over how far it does in the frames of those latents.
        psnr: of the frames against those, dB.
        sharpness: of the face, over the portrait's.
        seam: how much more the face changes from hop to hop than within one; 1 is no seam.
        lost: share of the frames in which no face was found; there the opening stands still.
    """

    clip: str
    portrait: str
    lips: float
    shuffled: float
    ceiling: float
    spread: float
    psnr: float
    sharpness: float
    seam: float
    lost: float


@dataclass(frozen=True, slots=True)
class Streamed:
    """A judged clip: figures, openings to draw, and frames that were taught above the stream's."""

    figures: Figures
    curves: Curves
    strip: RgbImage


def sitter_of(faces: dict[str, Any], number: int, pictures: ImageLatents) -> Sitter:
    """A portrait as the network knows it.

    Args:
        faces: what `material.look_at` kept of all, and their names.
        number: of the portrait.
        pictures: autoencoder.
    """
    image = pictures.decode(faces["still"][number][None])[0].numpy(force=True)
    whole = (0.0, 0.0, float(image.shape[1]), float(image.shape[0]))
    framed = FramedPortrait(image, faces["landmarks"][number].numpy(), whole)
    return Sitter(faces["names"][number], "train", framed)


@torch.inference_mode()
def stream(
    engine: UnetEngine, portrait: Portrait, audio: NDArray[np.int16], *, seed: int = 0
) -> Iterator[Tensor]:
    """Yield the latents (f, c, h, w) of each hop of a recording."""
    geometry = engine.config.geometry
    state = engine.begun(portrait, StreamOptions(seed=seed))
    for hop in range(-(-len(audio) // geometry.hop_samples)):
        heard = engine.hear([AudioWindow(cut_window(audio, geometry, hop), hop)])
        made = denoise(engine, [state], heard, [hop])[0]
        state = state.advanced(made, hop, engine.config.motion_frames)
        yield made


def judge(
    taught: Taught,
    other: Taught,
    pictures: ImageLatents,
    streamed: Tensor,
    landmarker: FaceLandmarker,
    *,
    hop_frames: int,
) -> Streamed:
    """Compare a streamed clip with what was taught.

    Args:
        taught: the clip.
        other: another one, whose mouth it should not follow.
        pictures: autoencoder.
        streamed: latents (t, c, h, w).
        landmarker: reads the mouth.
        hop_frames: streamed at a time.
    """
    lips, portrait = taught.played.lips[:, 0], taught.sitter.portrait
    latents = torch.from_numpy(taught.played.latent.astype(np.float32))
    true = pictures.decode(latents).numpy(force=True)
    seen = pictures.decode(streamed[: len(true)]).numpy(force=True)
    read, in_true = (track(_large(frames), landmarker) for frames in (seen, true))
    error = np.square(seen.astype(np.float64) - true).mean()
    figures = Figures(
        taught.played.clip,
        taught.sitter.name,
        lips=correlation(read.opening, lips),
        shuffled=correlation(read.opening, other.played.lips[:, 0]),
        ceiling=correlation(in_true.opening, lips),
        spread=float(read.opening.std() / max(float(in_true.opening.std()), 1e-6)),
        psnr=float(10 * np.log10(255**2 / max(error, 1e-9))),
        sharpness=sharpness_ratio(seen, portrait),
        seam=seam_score(seen, portrait, hop_frames),
        lost=read.lost / len(seen),
    )
    chosen = np.linspace(0, len(true) - 1, _SHOWN).astype(int)
    strip = np.concatenate([np.concatenate(list(rows[chosen]), 1) for rows in (true, seen)])
    curves = _curves(taught, read.opening, in_true.opening)
    return Streamed(figures, curves, np.asarray(strip, np.uint8))


def _curves(taught: Taught, opening: NDArray[np.float32], in_true: NDArray[np.float32]) -> Curves:
    """Both openings in speaking ranges of the truth.

    The stream's is measured by what the landmarker reads off the frames that were taught, so that
    its bias is taken out: a mouth that opens half as far is drawn half as high.
    """
    lips = taught.played.lips[:, 0]
    closed = lips <= np.percentile(lips, _CLOSED)
    reading = MouthScale.of(in_true, float(np.median(in_true[closed])))
    exact = MouthScale.of(lips, float(np.median(lips[closed])))
    return Curves(
        model=reading.share(opening),
        rig=exact.share(lips),
        rig_numbers=np.arange(len(lips)),
        loudness=loudness_of(taught.audio, len(lips)),
        closing_s=(),
    )


def _large(frames: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """Frames at a size at which a gap between lips is some pixels."""
    size = max(_LEAST_PX, frames.shape[1])
    for frame in frames:
        large = cv2.resize(frame, (size, size), interpolation=cv2.INTER_CUBIC)
        yield np.asarray(large, np.uint8)

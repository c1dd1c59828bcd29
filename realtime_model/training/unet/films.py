"""Clips that a finished network was taught on, streamed as serving does it, beside the truth.

A network that cannot say again what it has seen has not learned: this comes before any held-out
figure. The engine is the one that serves: windows, one a hop, and its own last latents.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from realtime_model.contract import AudioWindow, StreamOptions
from realtime_model.engine import denoise
from realtime_model.face import FaceLandmarker
from realtime_model.pretrained.latents import ImageLatents
from realtime_model.training.correlation import correlation
from realtime_model.training.evaluation import cut_window, track
from realtime_model.training.latents import Played
from realtime_model.unet.engine import UnetEngine
from realtime_model.unet.network import Portrait

_SHOWN = 8  # frames of a clip on the sheet
_LEAST_PX = 256  # smaller frames are enlarged for the landmarker


@dataclass(frozen=True, slots=True)
class Figures:
    """What was read off a streamed clip.

    Attributes:
        lips: correlation of the mouth's opening with the rig's.
        shuffled: the same with another clip's.
        ceiling: the same of the latents it was taught on: what reading and autoencoder leave.
        psnr: of the frames against those, dB.
    """

    clip: str
    portrait: str
    lips: float
    shuffled: float
    ceiling: float
    psnr: float


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
    name: str,
    played: Played,
    other: Played,
    pictures: ImageLatents,
    streamed: Tensor,
    landmarker: FaceLandmarker,
) -> tuple[Figures, NDArray[np.uint8]]:
    """Compare a streamed clip with what was taught; returns figures and a strip of both.

    Args:
        name: of the portrait.
        played: the clip.
        other: another one, whose mouth it should not follow.
        pictures: autoencoder.
        streamed: latents (t, c, h, w).
        landmarker: reads the mouth.
    """
    frames = len(played.lips)
    true = pictures.decode(torch.from_numpy(played.latent.astype(np.float32))).numpy(force=True)
    seen = pictures.decode(streamed[:frames]).numpy(force=True)
    opening = track(_large(seen), landmarker).opening
    error = np.square(seen.astype(np.float64) - true).mean()
    figures = Figures(
        played.clip,
        name,
        lips=correlation(opening, played.lips[:, 0]),
        shuffled=correlation(opening, other.lips[:, 0]),
        ceiling=correlation(track(_large(true), landmarker).opening, played.lips[:, 0]),
        psnr=float(10 * np.log10(255**2 / max(error, 1e-9))),
    )
    chosen = np.linspace(0, frames - 1, _SHOWN).astype(int)
    strip = np.concatenate([np.concatenate(list(rows[chosen]), 1) for rows in (true, seen)])
    return figures, np.asarray(strip, np.uint8)


def write_films(found: Sequence[tuple[Figures, NDArray[np.uint8]]], out: Path) -> None:
    """Write ``figures.json`` and ``sheet.png``: what was taught above what was streamed."""
    out.mkdir(parents=True, exist_ok=True)
    rows = [asdict(figures) for figures, _ in found]
    (out / "figures.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")
    sheet = np.concatenate([strip for _, strip in found])
    cv2.imwrite(str(out / "sheet.png"), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))


def _large(frames: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """Frames at a size at which a gap between lips is some pixels."""
    size = max(_LEAST_PX, frames.shape[1])
    for frame in frames:
        large = cv2.resize(frame, (size, size), interpolation=cv2.INTER_CUBIC)
        yield np.asarray(large, np.uint8)

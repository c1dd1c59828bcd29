"""Judges the codec alone: the rig's own motion goes in, and should come out as the rig's frames.

Beside it stands what moving the portrait's pixels reaches, with the rig's exact displacement: teeth
and tongue are not in the portrait, so there the codec has to paint.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from realtime_model.autoencoder import latent_of
from realtime_model.contract import RgbImage
from realtime_model.rig import Pose, displacement
from realtime_model.tiny import TinyEngine
from realtime_model.training.rendering import Clip, Sitter, random_poses
from realtime_model.training.rig import PhotoRig, RigFrame

_POSES = 12  # of each portrait
_LIPS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
_AROUND = 0.04  # of the face's width, beyond the outer edge of the lips
_PAINTED = 0.3  # from there on a pixel counts as painted
_FEWEST = 30  # painted pixels, with fewer a pose says nothing of them
_SHOWN = 3  # poses of a portrait on the sheet
_SHEET_PX = 128


@dataclass(frozen=True, slots=True)
class Restored:
    """How a portrait's poses came out of the codec; decibels, one value a pose.

    Attributes:
        portrait: its name.
        whole: of the whole frame.
        mouth: inside the lips' outer edge and a little around.
        warped_whole: whole frame, moved by the rig's displacement and not painted.
        warped_mouth: the same in the mouth.
        inside: only where the rig paints teeth, tongue and hollow; poses that show some.
        warped_inside: the same, moved and not painted.
        sheet: rig above codec, the poses whose mouths are widest open, (h, w, 3).
    """

    portrait: str
    whole: NDArray[np.float64]
    mouth: NDArray[np.float64]
    warped_whole: NDArray[np.float64]
    warped_mouth: NDArray[np.float64]
    inside: NDArray[np.float64]
    warped_inside: NDArray[np.float64]
    sheet: RgbImage


def restore_all(
    engine: TinyEngine, sitters: Sequence[Sitter], clips: Sequence[Clip], *, seed: int = 0
) -> Iterator[Restored]:
    """Send poses of every portrait through the codec; yields as it goes."""
    rng = np.random.default_rng(seed)
    for sitter in sitters:
        yield _restored(engine, sitter, random_poses(clips, _POSES, rng))


def summarise_codec(restored: Sequence[Restored]) -> dict[str, float]:
    """Means over all poses of all portraits, dB; what no pose can tell is left out."""
    fields = {
        "codec_psnr": "whole",
        "codec_mouth": "mouth",
        "warp_psnr": "warped_whole",
        "warp_mouth": "warped_mouth",
        "codec_inside": "inside",
        "warp_inside": "warped_inside",
    }
    found = {n: np.concatenate([getattr(r, f) for r in restored]) for n, f in fields.items()}
    return {name: round(float(values.mean()), 2) for name, values in found.items() if len(values)}


@torch.inference_mode()
def _restored(engine: TinyEngine, sitter: Sitter, poses: Sequence[Pose]) -> Restored:
    portrait = sitter.portrait
    rig, avatar = PhotoRig(portrait), engine.prepare(portrait)
    codec, side = engine.network.codec, engine.config.codec.latent_side
    frames = [rig.render(pose) for pose in poses]
    moved = np.stack([displacement(f.source, 64) for f in frames]).astype(np.float32)
    awake = avatar.pyramid.pick(torch.zeros(len(frames), dtype=torch.long))
    made = codec.decoder(latent_of(torch.from_numpy(moved), side), awake).pixels().numpy()
    warped = [_warped(portrait.image, f) for f in frames]
    masks = [mouth_mask(f, rig.face_width_px) for f in frames]
    drawn = [f.image for f in frames]
    hollow = [f.painted > _PAINTED for f in frames]
    return Restored(
        sitter.name,
        whole=_decibels(made, drawn),
        mouth=_decibels(made, drawn, masks),
        warped_whole=_decibels(warped, drawn),
        warped_mouth=_decibels(warped, drawn, masks),
        inside=_decibels(made, drawn, hollow),
        warped_inside=_decibels(warped, drawn, hollow),
        sheet=_sheet(made, frames),
    )


def mouth_mask(frame: RigFrame, face_width_px: float) -> NDArray[np.bool_]:
    """The lips and what lies between them, and a little skin around, (h, w)."""
    outline = np.round(frame.landmarks[list(_LIPS), :2]).astype(np.int32)
    mask = np.zeros(frame.image.shape[:2], np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(outline), 1)
    reach = 2 * round(_AROUND * face_width_px) + 1
    return np.asarray(cv2.dilate(mask, np.ones((reach, reach), np.uint8)), bool)


def _warped(portrait: RgbImage, frame: RigFrame) -> RgbImage:
    x, y = frame.source[..., 0], frame.source[..., 1]
    moved = cv2.remap(portrait, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.uint8)


def _decibels(
    made: Sequence[RgbImage] | RgbImage,
    drawn: Sequence[RgbImage],
    masks: Sequence[NDArray[np.bool_]] | None = None,
) -> NDArray[np.float64]:
    """Peak signal-to-noise ratio of each frame, over the pixels of its mask if there are enough."""
    out = []
    for number, (one, other) in enumerate(zip(made, drawn, strict=True)):
        error = (one.astype(np.float64) - other) ** 2
        if masks is not None:
            error = error[masks[number]]
            if len(error) < _FEWEST:
                continue
        out.append(10 * np.log10(255**2 / max(float(error.mean()), 1e-3)))
    return np.array(out)


def _sheet(made: RgbImage, frames: Sequence[RigFrame]) -> RgbImage:
    widest = np.argsort([-f.opening for f in frames])[:_SHOWN]
    pairs = [np.concatenate([_small(frames[i].image), _small(made[i])]) for i in widest]
    return np.concatenate(pairs, axis=1)


def _small(image: RgbImage) -> RgbImage:
    size = (_SHEET_PX, _SHEET_PX)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)

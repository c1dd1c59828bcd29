"""Training of the codec: flow first, then mask and paint, then sharpness.

The image loss alone teaches nothing (the warp has to be roughly right before a pixel error has a
useful gradient), so the rig's exact displacement supervises the flow from the start; the painter
joins when the flow is close, with the mask taught by the regions the rig painted itself.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from realtime_model.autoencoder import Codec, Decoded, Pyramid, latent_of
from realtime_model.facemap import CHANNELS
from realtime_model.training.loop import Loop, Step

_LATENT_NOISE = 0.01
_FLIP = torch.tensor([-1.0, 1.0])[None, :, None, None]
# Mirroring a picture mirrors these channels of its face map.
_SIGNED = [CHANNELS.index("across"), CHANNELS.index("frame_x")]


@dataclass(frozen=True, slots=True)
class CodecRecipe:
    """Constants of the training.

    Attributes:
        start: preset whose codec goes on learning; none: from nothing.
        flow_steps, paint_steps: steps of the two stages.
        people: portraits a step.
        flow_frames, frames: frames of each before and after.
    """

    start: str = ""
    flow_steps: int = 900
    paint_steps: int = 2200
    people: int = 4
    flow_frames: int = 4
    frames: int = 2
    lr: float = 2e-3
    paint_lr: float = 1.2e-3
    seed: int = 0


@dataclass(frozen=True, slots=True)
class CodecBatch:
    """A few portraits and as many frames of each, side by side; pictures in [-1, 1].

    Attributes:
        frame: (b, 3, 256, 256).
        portrait: (p, 3, 256, 256).
        face_map: of the portraits, (p, 10, 128, 128).
        flow: (b, 2, 64, 64).
        painted: (b, 1, 128, 128) in [0, 1].
    """

    frame: Tensor
    portrait: Tensor
    face_map: Tensor
    flow: Tensor
    painted: Tensor

    def per_frame(self, x: Tensor) -> Tensor:
        """Repeat rows of portraits so that there is one for each frame."""
        return x.repeat_interleave(len(self.flow) // len(x), 0)


class CodecData:
    """Rendered frames, mapped into memory; see `render_codec_set` for the files."""

    def __init__(self, folder: Path) -> None:
        def load(name: str) -> NDArray[np.generic]:
            array: NDArray[np.generic] = np.load(folder / f"{name}.npy", mmap_mode="r")
            return array

        self.frames, self.flows, self.painted = load("frames"), load("flows"), load("painted")
        self.portraits, self.maps = load("portraits"), load("maps")
        self.people = len(self.portraits)
        self.poses = len(self.frames) // self.people

    def batch(
        self, rng: np.random.Generator, people: int, frames: int, *, augment: bool = True
    ) -> CodecBatch:
        """Draw ``frames`` frames of each of ``people`` portraits, recoloured and flipped alike."""
        who = rng.choice(self.people, people, replace=people > self.people)
        rows = np.concatenate(
            [w * self.poses + rng.choice(self.poses, frames, replace=False) for w in who]
        )
        flip = augment and rng.random() < 0.5
        face_map = _read(self.maps, who, 3, flip)
        flow = _read(self.flows, rows, 3, flip)
        if flip:
            face_map[:, _SIGNED] *= -1
            flow = flow * _FLIP
        frame, portrait = _picture(self.frames, rows, flip), _picture(self.portraits, who, flip)
        if augment:
            mix, lift = _recolouring(rng, people)
            portrait = _recolour(portrait, mix, lift)
            frame = _recolour(
                frame, mix.repeat_interleave(frames, 0), lift.repeat_interleave(frames, 0)
            )
        painted = _read(self.painted[..., None].transpose(0, 3, 1, 2), rows, 3, flip) / 255
        return CodecBatch(frame, portrait, face_map, flow, painted)


def _read(array: NDArray[np.generic], rows: NDArray[np.int64], axis: int, flip: bool) -> Tensor:
    picked = array[rows].astype(np.float32)
    return torch.from_numpy(np.ascontiguousarray(np.flip(picked, axis)) if flip else picked)


def _picture(array: NDArray[np.generic], rows: NDArray[np.int64], flip: bool) -> Tensor:
    pixels = array[rows]
    if flip:
        pixels = pixels[:, :, ::-1]
    moved = np.ascontiguousarray(np.moveaxis(pixels, -1, 1))
    return torch.from_numpy(moved).float().mul_(1 / 127.5).sub_(1)


def _recolouring(rng: np.random.Generator, people: int) -> tuple[Tensor, Tensor]:
    mix = (np.eye(3) + rng.normal(0, 0.10, (people, 3, 3))) * rng.normal(1, 0.12, (people, 1, 1))
    lift = rng.normal(0, 0.08, (people, 3, 1))
    return torch.from_numpy(mix).float(), torch.from_numpy(lift).float()


def _recolour(x: Tensor, mix: Tensor, lift: Tensor) -> Tensor:
    return torch.baddbmm(lift, mix, x.flatten(2)).clamp_(-1, 1).view_as(x)


def blurred(latent: Tensor) -> Tensor:
    """Latents as a denoiser will leave them: a little off."""
    return latent + _LATENT_NOISE * torch.randn_like(latent)


def importance(batch: CodecBatch) -> Tensor:
    """Weight of each of 64x64 cells: the face counts more than the wall, lips and lids most."""
    at = batch.per_frame(F.avg_pool2d(batch.face_map, 2))
    face, lips, eyes = (at[:, CHANNELS.index(n), None] for n in ("face", "lips", "eyes"))
    near = F.max_pool2d(torch.maximum(lips, eyes), 5, 1, 2)
    painted = F.max_pool2d(F.avg_pool2d(batch.painted, 2), 3, 1, 1)
    return 1 + 3 * face + 12 * torch.maximum(near, painted)


def flow_loss(flow: Tensor, coarse: Tensor, batch: CodecBatch, weight: Tensor) -> Tensor:
    """Weighted L1 of both flows, in units of a hundredth of the half picture."""
    fine = ((flow - batch.flow).abs() * weight).mean() / weight.mean()
    rough = (coarse - F.avg_pool2d(batch.flow, 4)).abs().mean()
    return (fine + 0.3 * rough) * 100


def window_of(x: Tensor, pyramid: Pyramid, side: int, per_cell: int) -> Tensor:
    """Cut the painted window out of full-size rows."""
    corners = (pyramid.window * per_cell).tolist()
    return torch.stack(
        [r[:, t : t + side, w : w + side] for r, (t, w) in zip(x, corners, strict=True)]
    )


def picture_loss(decoded: Decoded, batch: CodecBatch, pyramid: Pyramid) -> tuple[Tensor, Tensor]:
    """Image loss and mask loss; the mouth and the lids weigh most, edges count twice."""
    side = decoded.mask.shape[-1]
    weight = F.interpolate(importance(batch), scale_factor=4.0)
    image = decoded.image
    error = (image - batch.frame).abs()
    near = (error * weight).mean() / weight.mean()
    inside = window_of(error, pyramid, side, 4).mean()
    edges = F.l1_loss(_gradient(image), _gradient(batch.frame))
    painted = window_of(batch.painted, pyramid, side // 2, 2)
    target = F.interpolate(F.max_pool2d(painted, 3, 1, 1), scale_factor=2.0, mode="bilinear")
    eyes = batch.per_frame(batch.face_map[:, CHANNELS.index("eyes"), None])
    eyes = F.interpolate(window_of(eyes, pyramid, side // 2, 2), scale_factor=2.0)
    unsure = (F.max_pool2d(eyes, 9, 1, 4) > 0.2) & (target < 0.5)
    known = (~unsure).float() * (1 + 5 * (target > 0.3).float())
    mask = F.binary_cross_entropy_with_logits(decoded.mask, target, known)
    return near + inside + edges, mask


def _gradient(x: Tensor) -> Tensor:
    across = F.pad(x[..., 1:] - x[..., :-1], (0, 1))
    down = F.pad(x[..., 1:, :] - x[..., :-1, :], (0, 0, 0, 1))
    return torch.cat([across, down], 1)


def flow_step(
    codec: Codec, data: CodecData, recipe: CodecRecipe, rng: np.random.Generator
) -> Callable[[int], Step]:
    """Return the loss of one step of the first stage: displacement only, at 64 cells."""

    def step(_: int) -> Step:
        batch = data.batch(rng, recipe.people, recipe.flow_frames)
        pyramid = codec.reference(batch.portrait, batch.face_map).expand(len(batch.frame))
        latent = blurred(latent_of(batch.flow, codec.side))
        coarse, flow = codec.decoder.motion(latent, pyramid)[:2]
        loss = flow_loss(flow, coarse, batch, importance(batch))
        return Step(loss, {"flow": loss})

    return step


def paint_step(
    codec: Codec, data: CodecData, recipe: CodecRecipe, rng: np.random.Generator
) -> Callable[[int], Step]:
    """Return the loss of one step of the second stage: the picture; latents no longer change."""

    def step(number: int) -> Step:
        batch = data.batch(rng, recipe.people, recipe.frames)
        pyramid = codec.reference(batch.portrait, batch.face_map).expand(len(batch.frame))
        latent = blurred(latent_of(batch.flow, codec.side))
        decoded = codec.decoder(latent, pyramid, detach_flow=number < recipe.paint_steps // 2)
        flow = flow_loss(decoded.flow, decoded.coarse, batch, importance(batch))
        image, mask = picture_loss(decoded, batch, pyramid)
        loss = flow + 4 * image + 0.3 * mask
        return Step(loss, {"flow": flow, "image": image, "mask": mask})

    return step


@torch.inference_mode()
def evaluate(codec: Codec, data: CodecData, batches: int, flow_only: bool) -> dict[str, float]:
    """Held-out figures: flow error in pixels of 256, PSNR in dB of picture and painted parts."""
    codec.eval()
    sums: dict[str, list[float]] = {}
    rng = np.random.default_rng(0)
    for _ in range(batches):
        batch = data.batch(rng, 4, 2, augment=False)
        pyramid = codec.reference(batch.portrait, batch.face_map).expand(len(batch.frame))
        latent = latent_of(batch.flow, codec.side)
        if flow_only:
            flow = codec.decoder.motion(latent, pyramid)[1]
        else:
            decoded = codec.decoder(latent, pyramid)
            flow = decoded.flow
            _note(sums, "psnr", _psnr(decoded.image, batch.frame, torch.ones_like(batch.frame)))
            mouth = F.interpolate(batch.painted, scale_factor=2.0) > 0.3
            if mouth.any():
                _note(sums, "psnr_painted", _psnr(decoded.image, batch.frame, mouth.float()))
        _note(sums, "flow_px", float((flow - batch.flow).norm(dim=1).mean()) * 128)
        still = float(batch.flow.norm(dim=1).mean()) * 128
        _note(sums, "flow_px_if_still", still)
    codec.train()
    return {name: float(np.mean(values)) for name, values in sums.items()}


def _note(sums: dict[str, list[float]], name: str, value: float) -> None:
    sums.setdefault(name, []).append(value)


def _psnr(a: Tensor, b: Tensor, mask: Tensor) -> float:
    mask = mask.expand_as(a)
    mse = float((((a - b) / 2).pow(2) * mask).sum() / mask.sum())
    return -10 * float(np.log10(max(mse, 1e-9)))


def train_codec(
    codec: Codec, train: CodecData, heldout: CodecData, recipe: CodecRecipe, out: Path
) -> None:
    """Train both stages to the end of the recipe, resuming from the checkpoints in ``out``.

    Latents are the rig's own displacements, so the denoiser can be trained at the same time.
    """
    loop = Loop(
        codec, out / "flow", steps=recipe.flow_steps, lr=recipe.lr, name="codec flow", ema=0.995
    )
    loop.run(
        flow_step(codec, train, recipe, np.random.default_rng(recipe.seed + loop.step)),
        check=lambda _: evaluate(codec, heldout, 8, flow_only=True),
        check_every=300,
    )
    codec.load_state_dict(loop.average)
    loop = Loop(
        codec,
        out / "paint",
        steps=recipe.paint_steps,
        lr=recipe.paint_lr,
        name="codec paint",
        ema=0.995,
    )
    loop.run(
        paint_step(codec, train, recipe, np.random.default_rng(recipe.seed + loop.step + 1)),
        check=lambda _: evaluate(codec, heldout, 8, flow_only=False),
        check_every=250,
    )
    codec.load_state_dict(loop.average)

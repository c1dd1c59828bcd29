"""The reference-conditioned codec: a latent says what moved, the portrait's pixels say who.

The latent of a frame is the mean displacement of each of 8x8 cells. A learned encoder beside it was
tried and stayed unused: with the face map to tell it where lips and lids are, the decoder rebuilds
the dense flow from these 128 numbers to a quarter of a pixel on faces it never saw.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from realtime_model.config import CodecConfig
from realtime_model.facemap import CHANNELS
from realtime_model.layers import ResBlock, upsample

MAP_CHANNELS = len(CHANNELS)
_UNSHUFFLED = 12  # a 3-channel picture at half size
_MOVED_SCALE = 20.0  # displacements of speech are about a twentieth of the half picture


@dataclass(frozen=True, slots=True)
class Pyramid:
    """What the decoder keeps of a portrait; computed once.

    Attributes:
        portrait: (b, 3, 256, 256) in [-1, 1].
        f64, f32, f16, f8: features at 64, 32, 16 and 8 cells.
        window: top and left of the painted window in cells of 64, int64 (b, 2).
    """

    portrait: Tensor
    f64: Tensor
    f32: Tensor
    f16: Tensor
    f8: Tensor
    window: Tensor

    def pick(self, rows: Tensor) -> "Pyramid":
        """Gather rows, one for each number in ``rows`` (n,)."""
        return Pyramid(*(field[rows] for field in self._fields()))

    def expand(self, batch: int) -> "Pyramid":
        """Repeat each row so that there are ``batch`` rows, neighbours of the same portrait."""
        rows = self.portrait.shape[0]
        if rows == batch:
            return self

        def grow(x: Tensor) -> Tensor:
            if rows == 1:
                return x.expand(batch, *x.shape[1:])
            return x.repeat_interleave(batch // rows, 0)

        return Pyramid(*map(grow, self._fields()))

    @staticmethod
    def stack(parts: "Sequence[Pyramid]") -> "Pyramid":
        """Rows of several pyramids below each other."""
        if len(parts) == 1:
            return parts[0]
        return Pyramid(*map(torch.cat, zip(*(p._fields() for p in parts), strict=True)))

    def _fields(self) -> tuple[Tensor, ...]:
        return (self.portrait, self.f64, self.f32, self.f16, self.f8, self.window)


@dataclass(frozen=True, slots=True)
class Decoded:
    """One decoded batch.

    Attributes:
        image: (b, 3, 256, 256) in [-1, 1].
        flow: where each of 64x64 cells comes from, minus where it is, (b, 2, 64, 64) as x, y in
            [-1, 1] units.
        coarse: the same at 16x16, before refinement.
        mask: logit of how much is painted, (b, 1, 144, 144): inside the window only.
        paint: painted pixels, (b, 3, 144, 144).
        warped: warped portrait, (b, 3, 256, 256).
    """

    image: Tensor
    flow: Tensor
    coarse: Tensor
    mask: Tensor
    paint: Tensor
    warped: Tensor


class ReferenceEncoder(nn.Module):
    """Portrait and face map -> feature pyramid."""

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        c64, c32, c16, c8 = config.pyramid
        self.window_cells = config.window_cells
        self.to64 = nn.Conv2d(_UNSHUFFLED + MAP_CHANNELS, c64, 3, 2, 1)
        self.block64 = ResBlock(c64, c64)
        self.to32 = nn.Conv2d(c64, c32, 3, 2, 1)
        self.block32 = ResBlock(c32, c32)
        self.to16 = nn.Conv2d(c32, c16, 3, 2, 1)
        self.block16 = ResBlock(c16, c16)
        self.to8 = nn.Conv2d(c16, c8, 3, 2, 1)
        self.block8 = ResBlock(c8, c8)

    def forward(self, portrait: Tensor, face_map: Tensor) -> Pyramid:
        """Encode portraits (b, 3, 256, 256) in [-1, 1] with face maps (b, 10, 128, 128)."""
        x = torch.cat([F.pixel_unshuffle(portrait, 2), face_map], 1)
        f64 = self.block64(self.to64(x))
        f32 = self.block32(self.to32(f64))
        f16 = self.block16(self.to16(f32))
        f8 = self.block8(self.to8(f16))
        return Pyramid(portrait, f64, f32, f16, f8, _window(face_map, self.window_cells))


class Decoder(nn.Module):
    """Latent and pyramid -> a flow that warps the portrait, and paint for what it cannot show.

    The flow covers the whole picture at 64x64 cells; the painter works only inside a window around
    eyes and mouth, where a warp is not enough. Outside it every pixel is the portrait's own.
    """

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        c64, c32, c16, c8 = config.pyramid
        d64, d128 = config.detail
        self.window_cells = config.window_cells
        self.enter = nn.Conv2d(config.latent_channels + c8, c8, 3, padding=1)
        self.block8 = ResBlock(c8, c8)
        self.up16 = nn.Conv2d(c8 + c16, c16, 3, padding=1)
        self.block16 = ResBlock(c16, c16)
        self.coarse = nn.Conv2d(c16, 2, 3, padding=1)
        self.up32 = nn.Conv2d(c16 + c32, c32, 3, padding=1)
        self.block32 = ResBlock(c32, c32)
        self.up64 = nn.Conv2d(c32 + c64, c64, 3, padding=1)
        self.fine1 = nn.Conv2d(c64, c64, 3, padding=1)
        self.fine2 = nn.Conv2d(c64, 2, 3, padding=1)
        self.join64 = nn.Conv2d(2 * c64, d64, 3, padding=1)
        self.block64 = ResBlock(d64, d64)
        self.up128 = nn.Conv2d(d64 + _UNSHUFFLED, d128, 3, padding=1)
        self.block128 = nn.Conv2d(d128, d128, 3, padding=1)
        self.out = nn.Conv2d(d128, 16, 3, padding=1)  # 4 channels at 256: colour and mask
        for layer in (self.coarse, self.fine2, self.out):
            assert layer.bias is not None
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def motion(self, latent: Tensor, pyramid: Pyramid) -> tuple[Tensor, Tensor, Tensor]:
        """Return coarse flow (b, 2, 16, 16), flow (b, 2, 64, 64) and features at 64 cells."""
        h = self.block8(self.enter(torch.cat([latent, pyramid.f8], 1)))
        h = self.block16(self.up16(torch.cat([upsample(h), pyramid.f16], 1)))
        coarse = _resample(latent / _MOVED_SCALE, 16) + self.coarse(h) * 0.1
        f32 = _warp(pyramid.f32, _resample(coarse, 32))
        h = self.block32(self.up32(torch.cat([upsample(h), f32], 1)))
        at64 = _resample(coarse, 64)
        h = self.up64(torch.cat([upsample(h), _warp(pyramid.f64, at64)], 1))
        fine = self.fine2(F.silu(self.fine1(F.silu(h))))
        return coarse, at64 + fine * 0.05, h

    def forward(self, latent: Tensor, pyramid: Pyramid, *, detach_flow: bool = False) -> Decoded:
        """Decode latents (b, c, 8, 8); the pyramid has as many rows.

        ``detach_flow`` keeps the picture's loss from the flow while that is still being taught.
        """
        coarse, flow, h = self.motion(latent, pyramid)
        used = flow.detach() if detach_flow else flow
        warped = _warp(pyramid.portrait, _resample(used, 256))
        cells, corner = self.window_cells, pyramid.window
        near = _cut(warped, corner * 4, cells * 4)
        f64 = _warp(pyramid.f64, _cut(used, corner, cells), _cut(_grid_like(used), corner, cells))
        h = self.block64(self.join64(torch.cat([_cut(h, corner, cells), f64], 1)))
        h = F.silu(self.up128(torch.cat([upsample(h), F.pixel_unshuffle(near, 2)], 1)))
        h = F.silu(self.block128(h)) + h
        painted = F.pixel_shuffle(self.out(h), 2)
        colour, mask = painted[:, :3], painted[:, 3:] - 2
        paint = torch.tanh(colour + torch.atanh(near.clamp(-0.98, 0.98)))
        inside = near + (paint - near) * torch.sigmoid(mask)
        return Decoded(_paste(warped, inside, corner * 4), flow, coarse, mask, paint, warped)


class Codec(nn.Module):
    """Reference encoder and decoder, trained together; the encoder is `latent_of`."""

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        self.side = config.latent_side
        self.reference = ReferenceEncoder(config)
        self.decoder = Decoder(config)


def latent_of(displacement: Tensor, side: int) -> Tensor:
    """The latent of frames: how far each cell moved, about unit size, (b, 2, side, side).

    Args:
        displacement: where each pixel of the frame comes from in the portrait, minus where it is,
            (b, 2, h, w) in [-1, 1] units; from the rig, or between tracked landmarks.
        side: cells along a side.
    """
    return F.adaptive_avg_pool2d(displacement, side) * _MOVED_SCALE


def _window(face_map: Tensor, cells: int) -> Tensor:
    """Corner of the square around eyes and mouth, (b, 2) as top, left in cells of 64."""
    features = face_map[:, [CHANNELS.index("lips"), CHANNELS.index("eyes")]].amax(1)
    features = F.max_pool2d(features, features.shape[-1] // 64) > 0.3
    corners = []
    for side in (features.any(2), features.any(1)):  # rows, then columns
        place = torch.arange(64, device=side.device).expand_as(side)
        first = torch.where(side, place, 64).amin(1)
        last = torch.where(side, place, -1).amax(1)
        corners.append(((first + last + 1 - cells) / 2).round().clamp(0, 64 - cells))
    return torch.stack(corners, 1).long()


def _grid(side: int) -> Tensor:
    axis = (torch.arange(side) + 0.5) / side * 2 - 1
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    return torch.stack([x, y])[None]


_GRIDS: dict[int, Tensor] = {side: _grid(side) for side in (16, 32, 64, 256)}


def _grid_like(flow: Tensor) -> Tensor:
    return _GRIDS[flow.shape[-1]].to(flow).expand(flow.shape[0], -1, -1, -1)


def _resample(flow: Tensor, side: int) -> Tensor:
    return F.interpolate(flow, size=(side, side), mode="bilinear", align_corners=False)


def _warp(features: Tensor, flow: Tensor, grid: Tensor | None = None) -> Tensor:
    """Fetch features (b, c, h, w) from where the flow (b, 2, h, w) says each cell comes from."""
    at = ((_grid_like(flow) if grid is None else grid) + flow).permute(0, 2, 3, 1)
    return F.grid_sample(features, at, align_corners=False, padding_mode="border")


def _cut(x: Tensor, corner: Tensor, side: int) -> Tensor:
    """Cut a square out of each row, corners (b, 2) as top, left; a view when all rows share one."""
    if corner.shape[0] == 1 or bool((corner == corner[:1]).all()):
        top, left = (int(v) for v in corner[0])
        return x[:, :, top : top + side, left : left + side]
    rows = zip(x, corner.tolist(), strict=True)
    return torch.stack([r[:, t : t + side, left : left + side] for r, (t, left) in rows])


def _paste(whole: Tensor, part: Tensor, corner: Tensor) -> Tensor:
    """Return ``whole`` with each row's square replaced."""
    side = part.shape[-1]
    out = whole.clone()
    for row, (top, left) in enumerate(corner.expand(len(whole), -1).tolist()):
        out[row, :, top : top + side, left : left + side] = part[row]
    return out

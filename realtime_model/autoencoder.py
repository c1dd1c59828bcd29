"""The reference-conditioned codec: a latent says what moved, the portrait's pixels say who.

The latent of a frame is the mean displacement of each of 8x8 cells. A learned encoder beside it was
tried and stayed unused: with the face map to tell it where lips and lids are, the decoder rebuilds
the dense flow from these 128 numbers to a quarter of a pixel on faces it never saw.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

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
    """What the decoder keeps of portraits; computed once.

    Attributes:
        pictures: of each row the portrait at twice its size, (3, 511, 511) in [0, 255]; rows that
            show the same one share it.
        f8, f16, f32, f64: what the portrait adds to the decoder's features at each size.
        f64_paint: the same for the painter.
        window: top and left of the painted window in cells of 64, even, int64 (b, 2).
    """

    pictures: tuple[Tensor, ...]
    f8: Tensor
    f16: Tensor
    f32: Tensor
    f64: Tensor
    f64_paint: Tensor
    window: Tensor

    def pick(self, rows: Tensor) -> "Pyramid":
        """Gather rows, one for each number in ``rows`` (n,); one row many times is not copied."""
        numbers = rows.tolist()
        if len(set(numbers)) == 1:
            one = slice(numbers[0], numbers[0] + 1)
            alone = Pyramid(self.pictures[one], *(x[one] for x in self._features()))
            return alone.expand(len(numbers))
        pictures = tuple(self.pictures[n] for n in numbers)
        return Pyramid(pictures, *(x[rows] for x in self._features()))

    def expand(self, batch: int) -> "Pyramid":
        """Repeat each row so that there are ``batch`` rows, neighbours of the same portrait."""
        rows = len(self.pictures)
        if rows == batch:
            return self

        def grow(x: Tensor) -> Tensor:
            if rows == 1:
                return x.expand(batch, *x.shape[1:])
            return x.repeat_interleave(batch // rows, 0)

        pictures = tuple(p for p in self.pictures for _ in range(batch // rows))
        return Pyramid(pictures, *map(grow, self._features()))

    @staticmethod
    def stack(parts: "Sequence[Pyramid]") -> "Pyramid":
        """Rows of several pyramids below each other."""
        if len(parts) == 1:
            return parts[0]
        pictures = tuple(picture for part in parts for picture in part.pictures)
        features = zip(*(part._features() for part in parts), strict=True)
        return Pyramid(pictures, *map(torch.cat, features))

    def _features(self) -> tuple[Tensor, ...]:
        return (self.f8, self.f16, self.f32, self.f64, self.f64_paint, self.window)


@dataclass(frozen=True, slots=True)
class Decoded:
    """One decoded batch.

    Attributes:
        shown: what the flow fetches from the portrait, (b, 3, 256, 256) in [0, 255].
        inside: what is seen inside the window, (b, 3, 144, 144) in about [-1, 1].
        corner: top and left of the window in pixels, (b, 2).
        flow: where each of 64x64 cells comes from, minus where it is, (b, 2, 64, 64) as x, y in
            [-1, 1] units.
        coarse: the same at 16x16, before refinement.
        mask: logit of how much is painted, (b, 1, 144, 144): inside the window only.
    """

    shown: Tensor
    inside: Tensor
    corner: Tensor
    flow: Tensor
    coarse: Tensor
    mask: Tensor

    @property
    def warped(self) -> Tensor:
        """The moved portrait without paint, (b, 3, 256, 256) in [-1, 1]."""
        return self.shown / 127.5 - 1

    @property
    def image(self) -> Tensor:
        """The frames, (b, 3, 256, 256) in about [-1, 1]."""
        return _paste(self.warped, self.inside, self.corner)

    def pixels(self) -> Tensor:
        """The frames as they are shown, uint8 (b, 256, 256, 3)."""
        whole = self.shown.round().to(torch.uint8)
        part = (self.inside + 1).mul_(127.5).round_().clamp_(0, 255).to(torch.uint8)
        return _paste(whole, part, self.corner).permute(0, 2, 3, 1).contiguous()


class ReferenceEncoder(nn.Module):
    """Portrait and face map -> what they add at each size of the decoder.

    All that does not depend on the latent is done here, once: the decoder adds these features and
    convolves only what moves.
    """

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
        self.leave8 = nn.Conv2d(c8, c8, 3, padding=1)
        self.leave16 = nn.Conv2d(c16, c16, 3, padding=1)
        self.leave32 = nn.Conv2d(c32, c32, 3, padding=1)
        self.leave64 = nn.Conv2d(c64, c64, 3, padding=1)
        self.leave_paint = nn.Conv2d(c64, config.detail[0], 3, padding=1)

    def forward(self, portrait: Tensor, face_map: Tensor) -> Pyramid:
        """Encode portraits (b, 3, 256, 256) in [-1, 1] with face maps (b, 10, 128, 128)."""
        x = torch.cat([F.pixel_unshuffle(portrait, 2), face_map], 1)
        f64 = self.block64(self.to64(x))
        f32 = self.block32(self.to32(f64))
        f16 = self.block16(self.to16(f32))
        f8 = self.block8(self.to8(f16))
        return Pyramid(
            tuple(_doubled(portrait)),
            self.leave8(f8),
            self.leave16(f16),
            self.leave32(f32),
            self.leave64(f64),
            self.leave_paint(f64),
            _window(face_map, self.window_cells),
        )


class Decoder(nn.Module):
    """Latent and pyramid -> a flow that warps the portrait, and paint for what it cannot show.

    The flow covers the whole picture at 32x32 cells and is refined to 64x64 inside a window around
    eyes and mouth; only there a painter works, where a warp is not enough. Outside it every pixel
    is the portrait's own.
    """

    edge: Tensor

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        c64, c32, c16, c8 = config.pyramid
        d64, d128 = config.detail
        self.window_cells = config.window_cells
        self.enter = nn.Conv2d(config.latent_channels, c8, 3, padding=1)
        self.block8 = ResBlock(c8, c8)
        self.to16 = nn.Conv2d(c8, c16, 3, padding=1)
        self.block16 = ResBlock(c16, c16)
        self.coarse = nn.Conv2d(c16, 2, 3, padding=1)
        self.to32 = nn.Conv2d(c16, c32, 3, padding=1)
        self.block32 = ResBlock(c32, c32)
        self.middle = nn.Conv2d(c32, 2, 3, padding=1)
        self.to64 = nn.Conv2d(c32, c64, 3, padding=1)
        self.fine1 = nn.Conv2d(c64, c64, 3, padding=1)
        self.fine2 = nn.Conv2d(c64, 2, 3, padding=1)
        self.paint64 = nn.Conv2d(c64, d64, 3, padding=1)
        self.block64 = ResBlock(d64, d64)
        self.again64 = ResBlock(d64, d64)
        self.to128 = nn.Conv2d(d64, d128, 3, padding=1)
        self.near128 = nn.Conv2d(_UNSHUFFLED, d128, 3, padding=1)
        self.block128 = nn.Conv2d(d128, d128, 3, padding=1)
        self.out = nn.Conv2d(d128, 16, 3, padding=1)  # 4 channels at 256: colour and mask
        for layer in (self.coarse, self.middle, self.fine2, self.out):
            assert layer.bias is not None
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        self.register_buffer("edge", _fading_edge(config.window_cells), persistent=False)

    def motion(self, latent: Tensor, pyramid: Pyramid) -> tuple[Tensor, Tensor, Tensor]:
        """Return coarse flow (b, 2, 16, 16), flow (b, 2, 64, 64) and the window's features."""
        h = self.block8(self.enter(latent) + pyramid.f8)
        h = self.block16(upsample(self.to16(h)) + pyramid.f16)
        coarse = _resample(latent / _MOVED_SCALE, 16) + self.coarse(h) * 0.1
        at32 = _resample(coarse, 32)
        h = self.block32(upsample(self.to32(h)) + _warp(pyramid.f32, at32))
        at64 = _resample(at32 + self.middle(h) * 0.05, 64)
        corner, cells = pyramid.window, self.window_cells
        rough = _cut(at64, corner, cells)
        h = upsample(self.to64(_cut(h, corner // 2, cells // 2)))
        h = F.silu(h + _warp(pyramid.f64, rough, _cut(_grid_like(at64), corner, cells)))
        fine = self.fine2(F.silu(self.fine1(h))) * (0.05 * self.edge)
        return coarse, _paste(at64, rough + fine, corner), h

    def forward(self, latent: Tensor, pyramid: Pyramid, *, detach_flow: bool = False) -> Decoded:
        """Decode latents (b, c, 8, 8); the pyramid has as many rows.

        ``detach_flow`` keeps the picture's loss from the flow while that is still being taught.
        """
        coarse, flow, h = self.motion(latent, pyramid)
        used = flow.detach() if detach_flow else flow
        shown = _show(pyramid.pictures, _resample(used, 256))
        cells, corner = self.window_cells, pyramid.window
        near = _cut(shown, corner * 4, cells * 4) / 127.5 - 1
        at = _cut(_grid_like(used), corner, cells)
        seen = _warp(pyramid.f64_paint, _cut(used, corner, cells), at)
        h = self.again64(self.block64(self.paint64(h) + seen))
        h = F.silu(upsample(self.to128(h)) + self.near128(F.pixel_unshuffle(near, 2)))
        h = F.silu(self.block128(h)) + h
        painted = F.pixel_shuffle(self.out(h), 2)
        colour, mask = painted[:, :3], painted[:, 3:] - 2
        inside = near + colour * torch.sigmoid(mask)
        return Decoded(shown, inside, corner * 4, flow, coarse, mask)


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


def _doubled(portrait: Tensor) -> Tensor:
    """Pictures (b, 3, n, n) in [-1, 1], a new pixel between every two: (b, 3, 2n - 1, 2n - 1).

    What lies between pixels is computed once, and a bilinear lookup per frame follows. Wherever a
    head has moved to, hair and skin should be as sharp as in the portrait. So the cubic is sharper
    than usual (Keys, IEEE ASSP 29 (1981), 1153, with a = -1.25): it makes up for what the lookup
    blurs.
    """
    taps = torch.tensor([-1.25, 5.25, 5.25, -1.25], device=portrait.device) / 8
    rows = _with_between(portrait, taps.view(1, 1, 4, 1))
    doubled = _with_between(rows.mT, taps.view(1, 1, 4, 1)).mT.contiguous()
    return (doubled + 1).mul(127.5).clamp(0, 255)


def _with_between(x: Tensor, taps: Tensor) -> Tensor:
    """Put a row between every two of x (b, c, n, m), weighted from the two rows on either side."""
    b, c, n, m = x.shape
    padded = F.pad(x.reshape(b * c, 1, n, m), (0, 0, 1, 1), mode="replicate")
    between = F.conv2d(padded, taps).view(b, c, n - 1, m)
    pairs = torch.stack([x[:, :, :-1], between], 3).flatten(2, 3)
    return torch.cat([pairs, x[:, :, -1:]], 2)


def _fading_edge(cells: int, over: int = 4) -> Tensor:
    """One inside, towards zero at the border, (1, 1, cells, cells)."""
    away = torch.arange(cells)
    ramp = ((torch.minimum(away, cells - 1 - away) + 0.5) / over).clamp(max=1)
    return (ramp[:, None] * ramp)[None, None]


def _window(face_map: Tensor, cells: int) -> Tensor:
    """Corner of the square around eyes and mouth, (b, 2) as top, left, even cells of 64."""
    features = face_map[:, [CHANNELS.index("lips"), CHANNELS.index("eyes")]].amax(1)
    features = F.max_pool2d(features, features.shape[-1] // 64) > 0.3
    corners = []
    for side in (features.any(2), features.any(1)):  # rows, then columns
        place = torch.arange(64, device=side.device).expand_as(side)
        first = torch.where(side, place, 64).amin(1)
        last = torch.where(side, place, -1).amax(1)
        corners.append((((first + last + 1 - cells) / 4).round() * 2).clamp(0, 64 - cells))
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


def _show(pictures: Sequence[Tensor], flow: Tensor) -> Tensor:
    """The pixels that a flow (b, 2, n, n) fetches from doubled portraits, (b, 3, n, n)."""
    side = flow.shape[-1]
    # Their corners are centres of pixels; a half pixel further out the grid has its -1 and 1.
    at = ((_grid_like(flow) + flow) * (side / (side - 1))).permute(0, 2, 3, 1)
    shown, row = [], 0
    for _, same in groupby(pictures, key=id):
        group = list(same)
        picture = group[0].expand(len(group), -1, -1, -1)
        part = at[row : row + len(group)]
        shown.append(F.grid_sample(picture, part, align_corners=True, padding_mode="border"))
        row += len(group)
    return shown[0] if len(shown) == 1 else torch.cat(shown)


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

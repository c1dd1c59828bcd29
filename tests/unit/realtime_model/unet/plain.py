"""Hallo's denoiser a second time, from its description: slow, in the open, on a `net.pth`.

Nothing is cached, nothing shared with the package: keys and values are made anew for every frame,
motion frames go through the whole module over time and are cut off at its end, softmax is written
out. Maps are (b, c, f, h, w) between modules.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Given:
    """Inputs of one pass; ``bank`` holds site name -> (b, 1 + n, cells, c), portrait first."""

    face_tokens: Tensor  # (b, tokens, d)
    audio_tokens: Tensor  # (b, f, tokens, d)
    face_bias: Tensor  # (b, c, f, h, w)
    masks: list[Tensor]  # per depth (3, cells)
    bank: Mapping[str, Tensor] | None
    scales: tuple[float, ...] = (1.0, 1.0, 1.0)
    sees_portrait: bool = True


class PlainHallo:
    def __init__(self, state: Mapping[str, Tensor], heads: int, groups: int) -> None:
        self.state, self.heads, self.groups = state, heads, groups

    def denoise(self, noisy: Tensor, timestep: int, given: Given) -> Tensor:
        """Velocity (b, 4, f, h, w) of noisy latents of that shape at one timestep."""
        net = "denoising_unet."
        temb = self._time(net, timestep, noisy.dtype)
        x = self._conv(net + "conv_in", noisy) + given.face_bias
        skips = [x]
        for i in range(4):
            for j in range(2):
                x = self._resnet(f"{net}down_blocks.{i}.resnets.{j}", x, temb)
                x = self._modules(f"down_blocks.{i}", j, x, i, given)
                skips.append(x)
            if i < 3:
                x = self._conv(f"{net}down_blocks.{i}.downsamplers.0.conv", x, stride=2)
                skips.append(x)
        x = self._resnet(f"{net}mid_block.resnets.0", x, temb)
        x = self._modules("mid_block", 0, x, 3, given)
        x = self._resnet(f"{net}mid_block.resnets.1", x, temb)
        for i in range(4):
            for j in range(3):
                x = torch.cat([x, skips.pop()], 1)
                x = self._resnet(f"{net}up_blocks.{i}.resnets.{j}", x, temb)
                x = self._modules(f"up_blocks.{i}", j, x, 3 - i, given)
            if i < 3:
                x = x.repeat_interleave(2, 3).repeat_interleave(2, 4)
                x = self._conv(f"{net}up_blocks.{i}.upsamplers.0.conv", x)
        x = F.silu(self._group_norm(net + "conv_norm_out", x, 1e-5))
        return self._conv(net + "conv_out", x)

    def locate(self, picture: Tensor) -> Tensor:
        """Pictures (b, 3, f, h, w) of the face's box -> what is added after conv_in."""
        x = F.silu(self._conv("face_locator.conv_in", picture))
        for i in range(6):
            x = F.silu(self._conv(f"face_locator.blocks.{i}", x, stride=1 + i % 2))
        return self._conv("face_locator.conv_out", x)

    def _modules(self, block: str, j: int, x: Tensor, depth: int, given: Given) -> Tensor:
        if f"denoising_unet.{block}.attentions.{j}.norm.weight" not in self.state:
            return x  # and the motion module there never runs
        b, _, f, h, w = x.shape
        name = f"{block}.attentions.{j}"
        bank = None if given.bank is None else given.bank[name]
        portrait = bank[:, 0] if bank is not None and given.sees_portrait else None
        x = self._spatial(f"denoising_unet.{name}.", x, given.face_tokens, portrait)
        x = self._audio(f"denoising_unet.{block}.audio_modules.{j}.", x, depth, given)
        if bank is None:
            motion = torch.zeros(b, x.shape[1], 4, h, w)
        else:
            motion = bank[:, 1:].reshape(b, -1, h, w, x.shape[1]).permute(0, 4, 1, 2, 3)
        whole = torch.cat([motion, x], 2)
        whole = self._over_time(
            f"denoising_unet.{block}.motion_modules.{j}.temporal_transformer.", whole
        )
        return whole[:, :, -f:]

    def _spatial(self, at: str, x: Tensor, face: Tensor, portrait: Tensor | None) -> Tensor:
        frames = []
        t = at + "transformer_blocks.0."
        for k in range(x.shape[2]):
            frame = x[:, :, k : k + 1]
            tokens = self._enter(at, frame)
            normed = self._layer_norm(t + "norm1", tokens)
            seen = normed if portrait is None else torch.cat([normed, portrait], 1)
            tokens = tokens + self._attend(t + "attn1", normed, seen)
            tokens = tokens + self._attend(t + "attn2", self._layer_norm(t + "norm2", tokens), face)
            tokens = tokens + self._feed(t + "ff", self._layer_norm(t + "norm3", tokens))
            frames.append(self._leave(at, tokens, frame))
        return torch.cat(frames, 2)

    def _audio(self, at: str, x: Tensor, depth: int, given: Given) -> Tensor:
        frames = []
        t = at + "transformer_blocks.0."
        for k in range(x.shape[2]):
            frame, heard = x[:, :, k : k + 1], given.audio_tokens[:, k]
            tokens = self._enter(at, frame)
            normed = self._layer_norm(t + "norm1", tokens)
            tokens = tokens + self._attend(t + "attn1", normed, normed)
            normed = self._layer_norm(t + "norm2", tokens)
            for i, region in enumerate(("full", "face", "lip")):
                part = self._attend(f"{t}attn2_{i}", normed, heard)
                part = part * given.masks[depth][i][None, :, None]
                weight = self.state[f"{t}zero_conv_{region}.weight"][:, :, 0, 0]
                part = part @ weight.T + self.state[f"{t}zero_conv_{region}.bias"]
                tokens = tokens + given.scales[i] * part
            tokens = tokens + self._feed(t + "ff", self._layer_norm(t + "norm3", tokens))
            frames.append(self._leave(at, tokens, frame))
        return torch.cat(frames, 2)

    def _over_time(self, at: str, x: Tensor) -> Tensor:
        b, c, f, h, w = x.shape
        t = at + "transformer_blocks.0."
        normed = self._group_norm(at + "norm", x, 1e-6)
        tokens = normed.permute(0, 3, 4, 2, 1).reshape(b * h * w, f, c)
        tokens = self._linear(at + "proj_in", tokens)
        for i in range(2):
            normed = self._layer_norm(f"{t}norms.{i}", tokens)
            normed = normed + self.state[f"{t}attention_blocks.{i}.pos_encoder.pe"][:, :f]
            tokens = tokens + self._attend(f"{t}attention_blocks.{i}", normed, normed)
        tokens = tokens + self._feed(t + "ff", self._layer_norm(t + "ff_norm", tokens))
        tokens = self._linear(at + "proj_out", tokens)
        return x + tokens.view(b, h, w, f, c).permute(0, 4, 3, 1, 2)

    def _enter(self, at: str, frame: Tensor) -> Tensor:
        x = self._conv(at + "proj_in", self._group_norm(at + "norm", frame, 1e-6), padding=0)
        return x[:, :, 0].flatten(2).transpose(1, 2)

    def _leave(self, at: str, tokens: Tensor, frame: Tensor) -> Tensor:
        h, w = frame.shape[3:]
        x = tokens.transpose(1, 2).reshape(len(tokens), -1, 1, h, w)
        return frame + self._conv(at + "proj_out", x, padding=0)

    def _attend(self, at: str, x: Tensor, context: Tensor) -> Tensor:
        q, k, v = (
            (y @ self.state[f"{at}.to_{name}.weight"].T).reshape(*y.shape[:2], self.heads, -1)
            for name, y in (("q", x), ("k", context), ("v", context))
        )
        scores = torch.einsum("bqhd,bkhd->bhqk", q, k) / q.shape[-1] ** 0.5
        out = torch.einsum("bhqk,bkhd->bqhd", scores.softmax(-1), v).flatten(2)
        return self._linear(at + ".to_out.0", out)

    def _feed(self, at: str, x: Tensor) -> Tensor:
        value, gate = self._linear(at + ".net.0.proj", x).chunk(2, -1)
        return self._linear(at + ".net.2", value * F.gelu(gate))

    def _resnet(self, at: str, x: Tensor, temb: Tensor) -> Tensor:
        h = self._conv(at + ".conv1", F.silu(self._group_norm(at + ".norm1", x, 1e-5)))
        h = h + self._linear(at + ".time_emb_proj", F.silu(temb))[:, :, None, None, None]
        h = self._conv(at + ".conv2", F.silu(self._group_norm(at + ".norm2", h, 1e-5)))
        if f"{at}.conv_shortcut.weight" in self.state:
            x = self._conv(at + ".conv_shortcut", x, padding=0)
        return x + h

    def _time(self, net: str, timestep: int, dtype: torch.dtype) -> Tensor:
        half = self.state[net + "time_embedding.linear_1.weight"].shape[1] // 2
        rate = 10_000.0 ** (-torch.arange(half, dtype=dtype) / half)
        wave = torch.cat([(timestep * rate).cos(), (timestep * rate).sin()])[None]
        hidden = F.silu(self._linear(net + "time_embedding.linear_1", wave))
        return self._linear(net + "time_embedding.linear_2", hidden)

    def _frames(self, x: Tensor, each: Callable[[Tensor], Tensor]) -> Tensor:
        return torch.stack([each(x[:, :, k]) for k in range(x.shape[2])], 2)

    def _conv(self, at: str, x: Tensor, *, stride: int = 1, padding: int = 1) -> Tensor:
        weight, bias = self.state[at + ".weight"], self.state[at + ".bias"]
        return self._frames(x, lambda y: F.conv2d(y, weight, bias, stride, padding))

    def _group_norm(self, at: str, x: Tensor, eps: float) -> Tensor:
        weight, bias = self.state[at + ".weight"], self.state[at + ".bias"]
        return self._frames(x, lambda y: F.group_norm(y, self.groups, weight, bias, eps))

    def _layer_norm(self, at: str, x: Tensor) -> Tensor:
        weight, bias = self.state[at + ".weight"], self.state[at + ".bias"]
        return F.layer_norm(x, x.shape[-1:], weight, bias, 1e-5)

    def _linear(self, at: str, x: Tensor) -> Tensor:
        return x @ self.state[at + ".weight"].T + self.state[at + ".bias"]

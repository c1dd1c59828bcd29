"""What `emo-sd15` costs before anybody owns the device: operations, memory, and what they allow.

Operations and bytes follow from the configuration; only the rates of the devices are assumed, and
the report says which. Activations are taken to stay on the chip: real times are longer.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import torch
from diffusers import AutoencoderTiny
from torch.utils.flop_counter import FlopCounterMode

from emolive.report import Report
from realtime_model.config import ModelConfig, UnetConfig
from realtime_model.unet import flops
from realtime_model.unet.flops import Chunk
from realtime_model.unet.network import UnetNetwork

_HALF = 2  # bytes of a weight or a kept value
_PIXELS_PER_CELL = 8
_FPS = 25


@dataclass(frozen=True, slots=True)
class Device:
    """A GPU: what it is assumed to sustain, and its maker's bandwidth and memory."""

    name: str
    sustained_tflops: float
    bandwidth_tb_s: float
    memory_gib: int


DEVICES = (
    # StreamDiffusion's published frame rates on this GPU amount to 100 to 127.
    Device("RTX 4090", 110, 1.01, 24),
    # Each of these two at the share of its dense peak (121 and 312) that EMO's published
    # 15 s per 12 frames of 40 guided steps means on an A100: 34 %.
    Device("L4", 41, 0.30, 24),
    Device("A100", 106, 2.04, 80),
    # 35 % of its dense peak.
    Device("H100", 350, 3.35, 80),
)


@dataclass(frozen=True, slots=True)
class Bound:
    """The least time a device needs, by its rates alone."""

    assumed_tflops: float
    frame_ms: float
    fps: float
    realtime_factor: float
    most_steps_in_real_time: int
    fits: bool


@dataclass(frozen=True, slots=True)
class CostFigures(Report):
    """Operations and bytes of one stream; times are bounds, nothing was run."""

    title: ClassVar[str] = "bench flops"

    size_px: int
    chunk_frames: int
    motion_frames: int
    steps: int
    frame_gflop: dict[str, float]
    frame_gflop_total: float
    step_gflop_nothing_kept: float
    portrait_gflop: float
    weights_mib: dict[str, float]
    stream_mib: dict[str, float]
    bound: dict[str, Bound]


def estimate_cost(size_px: int, frames: int, motion: int, steps: int) -> CostFigures:
    """Return what one stream costs.

    Args:
        size_px: side of a frame, a multiple of 64.
        frames: new ones in a chunk.
        motion: motion frames in front of it.
        steps: denoising steps.
    """
    config = UnetConfig(motion_frames=motion, max_frames=max(32, frames + motion))
    chunk = Chunk(size_px // _PIXELS_PER_CELL, frames, motion)
    anew = Chunk(chunk.side, frames, motion, kept=False)
    weights = _weights_mib(config)
    stream = _stream_mib(config, chunk)
    work = _chunk_gflop(config, chunk, size_px, steps)
    frame = {stage: round(value / frames, 2) for stage, value in work.items()}
    return CostFigures(
        size_px=size_px,
        chunk_frames=frames,
        motion_frames=motion,
        steps=steps,
        frame_gflop=frame,
        frame_gflop_total=round(sum(work.values()) / frames, 1),
        step_gflop_nothing_kept=round(sum(flops.backbone(config, anew).values()) / frames / 1e9, 1),
        portrait_gflop=round(flops.reference(config, chunk.side) / 1e9, 1),
        weights_mib=dict(weights),
        stream_mib=stream,
        bound={d.name: _bound(d, work, {**weights, **stream}, chunk, steps) for d in DEVICES},
    )


def _chunk_gflop(config: UnetConfig, chunk: Chunk, size_px: int, steps: int) -> dict[str, float]:
    """Operations of a chunk by stage, in units of 1e9."""
    step = {f"step_{name}": steps * v for name, v in flops.backbone(config, chunk).items()}
    work = {
        **step,
        **flops.prepared(config, chunk),
        "audio_projection": flops.projections(config, chunk.frames),
        "motion_frames": chunk.motion * flops.reference(config, chunk.side),
        "decode_taesd": chunk.frames * _decoder_operations(size_px),
    }
    return {stage: value / 1e9 for stage, value in work.items()}


@cache
def _decoder_operations(size_px: int) -> int:
    """Operations of the small decoder for one frame, counted on its layers without data."""
    with torch.device("meta"), FlopCounterMode(display=False) as counter, torch.no_grad():
        side = size_px // _PIXELS_PER_CELL
        AutoencoderTiny().decode(torch.empty(1, 4, side, side))
    return int(counter.get_total_flops())


@cache
def _weights_mib(config: UnetConfig) -> Mapping[str, float]:
    with torch.device("meta"):
        network = UnetNetwork(ModelConfig(name="emo-sd15", unet=config))
    return {
        name: _mib(_HALF * sum(p.numel() for p in part.parameters()))
        for name, part in network.named_children()
    }


def _stream_mib(config: UnetConfig, chunk: Chunk) -> dict[str, float]:
    return {
        "portrait": _mib(flops.portrait_bytes(config, chunk.side)),
        "motion_frames": _mib(chunk.motion * flops.motion_bytes(config, chunk.side)),
        "voice": _mib(flops.audio_bytes(config, chunk.frames)),
    }


def _bound(
    device: Device, work: Mapping[str, float], cost: Mapping[str, float], chunk: Chunk, steps: int
) -> Bound:
    """Bounds for a chunk.

    Args:
        device: what computes.
        work: operations of a chunk by stage, 1e9; stages of all steps begin with "step_".
        cost: MiB held, by weights and streams.
        chunk: its size.
        steps: denoising steps in ``work``.
    """
    stepping = sum(v for stage, v in work.items() if stage.startswith("step_"))
    step_ms = _at_least_ms(device, stepping / steps, cost["backbone"])
    rest_ms = _at_least_ms(device, sum(work.values()) - stepping, cost["reference"] + cost["audio"])
    taken_ms, hop_ms = steps * step_ms + rest_ms, 1e3 * chunk.frames / _FPS
    return Bound(
        assumed_tflops=device.sustained_tflops,
        frame_ms=round(taken_ms / chunk.frames, 2),
        fps=round(1e3 * chunk.frames / taken_ms, 1),
        realtime_factor=round(taken_ms / hop_ms, 3),
        most_steps_in_real_time=max(0, int((hop_ms - rest_ms) / step_ms)),
        fits=sum(cost.values()) < device.memory_gib * 1024,
    )


def _at_least_ms(device: Device, gflop: float, weights_mib: float) -> float:
    """Computing, or reading the weights once, whichever takes longer."""
    return max(gflop / device.sustained_tflops, weights_mib * 2**20 / (device.bandwidth_tb_s * 1e9))


def _mib(count: float) -> float:
    return round(count / 2**20, 2)

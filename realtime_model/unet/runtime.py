"""How a unet runs: on which device, in which precision, compiled, recorded."""

import os
import shutil
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

import torch
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor

from realtime_model.config import RuntimeConfig
from realtime_model.errors import ConfigError
from realtime_model.unet.backbone import Backbone, UnetConditions, UnetReference
from realtime_model.unet.network import Step, UnetNetwork
from realtime_model.unet.spatial import AudioTransformer, SpatialTransformer
from realtime_model.unet.temporal import TemporalTransformer

_BLOCKS = (ResnetBlock2D, SpatialTransformer, AudioTransformer, TemporalTransformer)
_SHAPES = 64  # of one kind of block: widths and sides, guided or not
_WARM_UPS = 3  # before a recording, so that libraries have chosen and allocated

Replay = Callable[[], None]
Record = Callable[[Callable[[], Tensor]], tuple[Replay, Tensor]]
"""Runs a function, and returns what runs it again on the same memory, and where the result is."""


def device_of(runtime: RuntimeConfig) -> torch.device:
    """The device a preset asks for.

    Raises:
        ConfigError: it is not there, or the preset asks it for what it cannot do.
    """
    has_cuda = torch.cuda.is_available()
    if runtime.device == "cuda" and not has_cuda:
        raise ConfigError(
            "runtime.device is cuda, and torch finds no CUDA device: see emolive doctor, "
            "or let it be auto"
        )
    device = torch.device("cuda" if has_cuda and runtime.device != "cpu" else "cpu")
    if runtime.cuda_graphs and device.type != "cuda":
        raise ConfigError("runtime.cuda_graphs needs a CUDA device: set it to false")
    if runtime.compile and device.type == "cpu" and not _has_compiler():
        raise ConfigError("runtime.compile needs a C++ compiler: install g++, or set it to false")
    return device


def dtype_of(runtime: RuntimeConfig, device: torch.device) -> torch.dtype:
    """The precision of the UNets' weights and maps."""
    if runtime.dtype == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    return torch.bfloat16 if runtime.dtype == "bfloat16" else torch.float32


def place(network: UnetNetwork, runtime: RuntimeConfig, device: torch.device) -> Step | None:
    """Bring networks to their device and precision; return what stands for the backbone, if any."""
    network.to(device=device, dtype=dtype_of(runtime, device))
    if runtime.channels_last:
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if runtime.compile:
        compile_blocks(network.backbone)
    return RecordedStep(network.backbone, record_graph) if runtime.cuda_graphs else None


def compile_blocks(backbone: Backbone) -> None:
    """Compile each block by itself: blocks of one shape share the result."""
    torch._dynamo.config.recompile_limit = max(_SHAPES, torch._dynamo.config.recompile_limit)
    for module in backbone.modules():
        if isinstance(module, _BLOCKS):
            module.compile(dynamic=False)


class RecordedStep:
    """The backbone as a recording for each shape of its inputs: a step is one launch.

    A recording reads the same memory each time, so inputs are copied there: noisy latents and
    levels at every step, portrait and conditions when they change.
    """

    def __init__(self, backbone: Step, record: Record) -> None:
        self._backbone, self._record = backbone, record
        self._recordings: dict[object, _Recording] = {}

    def __call__(
        self, noisy: Tensor, level: Tensor, reference: UnetReference, given: UnetConditions
    ) -> Tensor:
        key = tuple((tuple(t.shape), t.dtype) for t in tensors((noisy, reference, given)))
        found = self._recordings.get(key)
        if found is None:
            found = _Recording(self._backbone, self._record, (noisy, level, reference, given))
            self._recordings[key] = found
        return found.play(noisy, level, reference, given)


class _Recording:
    def __init__(
        self,
        backbone: Step,
        record: Record,
        inputs: tuple[Tensor, Tensor, UnetReference, UnetConditions],
    ) -> None:
        self._own = copied(inputs)
        self._seen: tuple[UnetReference, UnetConditions] | None = None
        self._replay, self._result = record(lambda: backbone(*self._own))

    def play(
        self, noisy: Tensor, level: Tensor, reference: UnetReference, given: UnetConditions
    ) -> Tensor:
        self._own[0].copy_(noisy)
        self._own[1].copy_(level)
        if self._seen is None or self._seen[0] is not reference or self._seen[1] is not given:
            for own, new in zip(tensors(self._own[2:]), tensors((reference, given)), strict=True):
                own.copy_(new)
            self._seen = (reference, given)
        self._replay()
        return self._result.clone()


def record_graph(run: Callable[[], Tensor]) -> tuple[Replay, Tensor]:
    """Record a function as a CUDA graph."""
    aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(_WARM_UPS):
            run()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = run()
    return graph.replay, result


def tensors(tree: object) -> list[Tensor]:
    """The tensors in dataclasses and tuples, in the order of their fields."""
    if isinstance(tree, Tensor):
        return [tree]
    if is_dataclass(tree):
        return [t for field in fields(tree) for t in tensors(getattr(tree, field.name))]
    if isinstance(tree, tuple):
        return [t for part in tree for t in tensors(part)]
    return []


TreeT = TypeVar("TreeT")


def copied(tree: TreeT) -> TreeT:
    """The same dataclasses and tuples with copies of their tensors."""
    out: Any = tree
    if isinstance(tree, Tensor):
        out = tree.clone()
    elif is_dataclass(tree) and not isinstance(tree, type):
        out = replace(tree, **{f.name: copied(getattr(tree, f.name)) for f in fields(tree)})
    elif isinstance(tree, tuple):
        out = tuple(copied(part) for part in tree)
    return out  # type: ignore[no-any-return]


def _has_compiler() -> bool:
    return shutil.which(os.environ.get("CXX", "g++")) is not None

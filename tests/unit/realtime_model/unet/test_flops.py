"""The formula against torch's counter on the real networks, and against figures of Hallo's code."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from realtime_model.config import UnetConfig
from realtime_model.unet import echomimic, flops
from realtime_model.unet.flops import Chunk
from realtime_model.unet.network import Portrait, Regions, UnetNetwork
from tests.unit.realtime_model.unet.conftest import ECHO, MINI

GIGA = 1e9


@pytest.fixture(autouse=True)
def attention_that_is_counted() -> Iterator[None]:
    with sdpa_kernel(SDPBackend.MATH):
        yield


def counted(call: Callable[[], object]) -> int:
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        call()
    return int(counter.get_total_flops())


def meta_portrait(net: UnetNetwork, side: int) -> Portrait:
    masks = tuple(torch.rand(1, 3, (side >> d) ** 2) for d in range(4))
    with torch.no_grad():
        return net.portrait(torch.randn(1, 4, side, side), Regions(_box(side), masks))


def _box(side: int) -> torch.Tensor:
    return torch.zeros(1, 3, 8 * side, 8 * side)


@pytest.mark.parametrize("speed", [False, True])
@pytest.mark.parametrize(("frames", "motion"), [(3, 2), (2, 4)])
def test_the_formula_counts_what_a_step_of_the_miniature_does(
    frames: int, motion: int, speed: bool
) -> None:
    assert MINI.unet is not None
    config = replace(MINI.unet, motion_frames=motion, speed=speed)
    _compare(config, Chunk(side=16, frames=frames, motion=motion))


@pytest.mark.parametrize("echo", [False, True], ids=["hallo", "echomimic"])
def test_the_formula_counts_what_a_step_of_full_size_does(echo: bool) -> None:
    config = echomimic.ACC.unet if echo else UnetConfig()
    assert config is not None
    with torch.device("meta"):
        _compare(config, Chunk(side=64, frames=2, motion=config.motion_frames))


def test_the_formula_counts_a_voice_in_the_place_of_faces() -> None:
    assert MINI.unet is not None
    config = replace(MINI.unet, **ECHO, speed=True)  # type: ignore[arg-type]
    _compare(config, Chunk(side=16, frames=3, motion=0))


def _compare(config: UnetConfig, chunk: Chunk) -> None:
    net = UnetNetwork(replace(MINI, unet=config)).requires_grad_(False)
    portrait = meta_portrait(net, chunk.side)
    past = torch.randn(1, max(1, chunk.motion), 4, chunk.side, chunk.side)
    motion = net.motion(portrait, past)
    heard = torch.randn(1, chunk.frames + 4, config.audio_layers, config.audio_dim)
    tokens = net.audio(heard)
    given = net.backbone.conditions(tokens, motion)
    noisy, level = torch.randn(1, chunk.frames, 4, chunk.side, chunk.side), torch.ones(1)
    step = counted(lambda: _step(net, noisy, level, portrait, given))
    assert step == sum(flops.backbone(config, chunk).values())
    if not config.speed:
        before = counted(lambda: net.backbone.conditions(tokens, motion))
        assert before == sum(flops.prepared(config, chunk).values())
    keys = net.reference.face_keys(portrait.face_tokens)
    one = counted(lambda: net.reference(past[0, :1], keys))
    assert one == flops.reference(config, chunk.side)
    assert counted(lambda: net.audio(heard)) == flops.projections(config, chunk.frames)


def _step(
    net: UnetNetwork, noisy: torch.Tensor, level: torch.Tensor, portrait: Portrait, given: object
) -> None:
    net.backbone(noisy, level, portrait.cache, given)


@pytest.mark.parametrize(
    ("side", "frames", "motion", "gigas"),
    [
        (64, 16, 2, 1599),
        (64, 12, 4, 1658),
        (64, 8, 2, 1634),
        (64, 4, 2, 1704),
        (32, 16, 2, 334),
    ],
)
def test_without_keeping_anything_the_cost_is_that_counted_in_hallos_code(
    side: int, frames: int, motion: int, gigas: float
) -> None:
    chunk = Chunk(side, frames, motion, kept=False)
    each = sum(flops.backbone(UnetConfig(), chunk).values()) / frames / GIGA
    assert each == pytest.approx(gigas, rel=0.03)


@pytest.mark.parametrize(("side", "gigas"), [(64, 797), (32, 176)])
def test_reference_net_costs_what_was_counted_in_hallos_code(side: int, gigas: float) -> None:
    whole = flops.reference(UnetConfig(), side, whole=True) / GIGA
    assert whole == pytest.approx(gigas, rel=0.03)
    assert flops.reference(UnetConfig(), side) / GIGA < 0.97 * whole


def test_keeping_what_stays_saves_work() -> None:
    kept, anew = (sum(flops.backbone(UnetConfig(), Chunk(kept=k)).values()) for k in (True, False))
    assert 0.90 < kept / anew < 0.95


@pytest.mark.parametrize("changes", [{}, ECHO], ids=["hallo", "echomimic"])
def test_bytes_are_those_of_the_tensors_kept(changes: dict[str, Any]) -> None:
    assert MINI.unet is not None
    config = replace(MINI.unet, **changes)
    chunk = Chunk(side=16, frames=3, motion=config.motion_frames)
    net = UnetNetwork(replace(MINI, unet=config)).requires_grad_(False)
    portrait = meta_portrait(net, chunk.side)
    cache = portrait.cache
    pairs = [*cache.keys, *cache.face]
    held = sum(kv.key.numel() + kv.value.numel() for kv in pairs)
    held += cache.bias.numel() + sum(m.numel() for m in cache.masks)
    assert flops.portrait_bytes(config, chunk.side) == 2 * held
    past = torch.randn(1, 2, 4, 16, 16)
    heard = torch.randn(1, 7, config.audio_layers, config.audio_dim)
    given = net.chunk(heard, net.motion(portrait, past))
    moved = sum(p.tokens.numel() + p.keys.key.numel() + p.keys.value.numel() for p in given.motion)
    assert chunk.motion * flops.motion_bytes(config, chunk.side) == 2 * moved
    kept = sum(kv.key.numel() + kv.value.numel() for site in given.audio for kv in site)
    assert flops.audio_bytes(config, chunk.frames) == 2 * kept

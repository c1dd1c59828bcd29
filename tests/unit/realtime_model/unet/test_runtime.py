"""Every way to run the miniature gives what plain float32 gives, as closely as it should."""

import shutil
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from realtime_model.config import RuntimeConfig
from realtime_model.errors import ConfigError
from realtime_model.unet.runtime import (
    RecordedStep,
    Replay,
    copied,
    device_of,
    dtype_of,
    place,
    tensors,
)
from tests.unit.realtime_model.unet.conftest import MakeScene, Scene

CPU = torch.device("cpu")
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="gpu: no CUDA device")


def velocity(scene: Scene, runtime: RuntimeConfig, device: torch.device = CPU) -> Tensor:
    """The scene's velocity after its networks were placed; levels and latents stay float32."""
    step = place(scene.net, runtime, device)
    for name in ("latent", "box", "identity", "features", "past", "noisy", "level"):
        setattr(scene, name, getattr(scene, name).to(device))
    scene.masks = tuple(mask.to(device) for mask in scene.masks)
    portrait = scene.portrait()
    given = scene.net.chunk(scene.features, scene.net.motion(portrait, scene.past))
    with torch.inference_mode():
        return scene.net.guided(portrait, given, step)(scene.noisy, scene.level).cpu()


def apart(one: Tensor, other: Tensor) -> float:
    """Largest difference, as a share of what a velocity usually is."""
    return float((one - other).abs().max() / other.std())


def test_channels_last_is_equal(scene: Scene) -> None:
    plain = scene.velocity()
    assert apart(velocity(scene, RuntimeConfig(channels_last=True)), plain) < 1e-5
    weight = scene.net.backbone.get_submodule("down_blocks.0.resnets.0.conv1").weight
    assert isinstance(weight, Tensor)
    assert weight.is_contiguous(memory_format=torch.channels_last)


def test_bfloat16_differs_by_its_precision(scene: Scene) -> None:
    plain = scene.velocity()
    half = velocity(scene, RuntimeConfig(dtype="bfloat16"))
    assert half.dtype == torch.float32
    assert 0 < apart(half, plain) < 0.2
    assert float((half - plain).square().mean().sqrt() / plain.std()) < 0.03


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")  # torch's own, on import
@pytest.mark.skipif(shutil.which("g++") is None, reason="compiler: torch.compile needs g++")
def test_compiled_is_eager(scene_of: MakeScene) -> None:
    scene = scene_of(widths=(16,), attend=(True,), layers=1)
    scene.masks = scene.masks[:1]
    plain = scene.velocity()
    assert apart(velocity(scene, RuntimeConfig(device="cpu", compile=True)), plain) < 1e-4
    counted = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    assert counted >= 4  # a ResNet block, and modules for space, voice and time


def test_a_recording_reads_its_own_memory(scene_of: MakeScene) -> None:
    """As a CUDA graph does: what it computes from is copied in, whatever is handed over."""
    recorded = 0

    def record(run: Callable[[], Tensor]) -> tuple[Replay, Tensor]:
        nonlocal recorded
        recorded += 1
        result = run()

        def replay() -> None:
            result.copy_(run())

        return replay, result

    scene = scene_of(guidance=2.0)
    net = scene.net
    step = RecordedStep(net.backbone, record)
    portrait = scene.portrait()
    for seed, level in ((0, 0.7), (1, 0.7), (1, 0.3), (2, 0.3)):
        torch.manual_seed(seed)  # new conditions, and now and then only a new level
        features = torch.randn_like(scene.features)
        given = net.chunk(features, net.motion(portrait, scene.past))
        given = replace(given, scales=torch.tensor([[1.0, 0.5, 1.5]]))
        now = torch.tensor([level])
        plain = net.guided(portrait, given)(scene.noisy, now)
        assert torch.equal(net.guided(portrait, given, step)(scene.noisy, now), plain)
        assert torch.equal(
            net.guided(portrait, given, step)(scene.noisy + 1, now),
            (net.guided(portrait, given)(scene.noisy + 1, now)),
        )
    assert recorded == 2  # with a portrait, and without one for guidance
    wider = torch.cat([scene.noisy, scene.noisy], 1)[:, :3]
    assert torch.equal(copied((wider, ("x", wider)))[1][1], wider)
    assert len(tensors((wider, (portrait.cache, "x")))) == 1 + len(tensors(portrait.cache))


@pytest.mark.gpu
@needs_cuda
@pytest.mark.parametrize(
    ("runtime", "most"),
    [
        (RuntimeConfig(dtype="float32"), 1e-3),
        (RuntimeConfig(dtype="float32", cuda_graphs=True), 1e-3),
        (RuntimeConfig(dtype="float32", compile=True, channels_last=True), 1e-3),
        (RuntimeConfig(dtype="bfloat16", cuda_graphs=True, channels_last=True), 0.2),
    ],
)
def test_a_gpu_agrees_with_the_processor(scene: Scene, runtime: RuntimeConfig, most: float) -> None:
    plain = scene.velocity()
    assert apart(velocity(scene, runtime, torch.device("cuda")), plain) < most


@pytest.mark.skipif(torch.cuda.is_available(), reason="gpu: there is one")
@pytest.mark.parametrize(
    ("runtime", "said"),
    [
        (RuntimeConfig(device="cuda"), "finds no CUDA device"),
        (RuntimeConfig(cuda_graphs=True), "cuda_graphs needs a CUDA device"),
    ],
)
def test_what_needs_a_gpu_is_refused_without_one(runtime: RuntimeConfig, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        device_of(runtime)


def test_a_compiler_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(ConfigError, match=r"install g\+\+"):
        device_of(RuntimeConfig(device="cpu", compile=True))


def test_precision_follows_the_device() -> None:
    assert dtype_of(RuntimeConfig(), CPU) is torch.float32
    assert dtype_of(RuntimeConfig(), torch.device("cuda")) is torch.bfloat16
    assert dtype_of(RuntimeConfig(dtype="float32"), torch.device("cuda")) is torch.float32

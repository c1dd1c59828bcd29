"""Pictures and latents, with the real autoencoders at a small size."""

import pytest
import torch
from torch import Tensor, nn

from realtime_model.errors import ShapeError
from realtime_model.pretrained.latents import ImageLatents
from tests.unit.realtime_model.pretrained.conftest import small_network

CPU = torch.device("cpu")


@pytest.fixture(params=["kl-vae", "taesd"])
def network(request: pytest.FixtureRequest) -> nn.Module:
    return small_network(request.param)


@pytest.fixture
def latents(network: nn.Module) -> ImageLatents:
    return ImageLatents(network, CPU)


def pictures(count: int = 2) -> Tensor:
    noise = torch.Generator().manual_seed(5)
    return torch.randint(0, 256, (count, 32, 48, 3), dtype=torch.uint8, generator=noise)


def test_a_cell_stands_for_eight_pixels(latents: ImageLatents) -> None:
    coded = latents.encode(pictures())
    assert coded.shape == (2, 4, 4, 6)
    assert coded.dtype == torch.float32
    decoded = latents.decode(coded)
    assert decoded.shape == (2, 32, 48, 3)
    assert decoded.dtype == torch.uint8


def test_latents_have_the_scale_the_denoiser_sees() -> None:
    shown = pictures()
    planes = shown.permute(0, 3, 1, 2) / 127.5 - 1
    kl, tiny = small_network("kl-vae"), small_network("taesd")
    with torch.no_grad():
        mean = kl.encode(planes).latent_dist.mean  # type: ignore[operator]
        own = tiny.encode(planes).latents  # type: ignore[operator]
    assert torch.allclose(ImageLatents(kl, CPU).encode(shown), 0.18215 * mean, atol=1e-6)
    assert torch.allclose(ImageLatents(tiny, CPU).encode(shown), own, atol=1e-6)


def test_decoding_undoes_the_scale(network: nn.Module) -> None:
    wrapped = ImageLatents(network, CPU)
    coded = torch.randn(1, 4, 4, 4)
    with torch.no_grad():
        raw = network.decode(coded / wrapped.scale).sample  # type: ignore[operator]
    wanted = ((raw.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1)
    assert torch.equal(wrapped.decode(coded), wanted)


def test_encoding_draws_no_noise(latents: ImageLatents) -> None:
    assert torch.equal(latents.encode(pictures()), latents.encode(pictures()))


def test_a_chunk_is_decoded_as_its_frames_alone(network: nn.Module) -> None:
    coded = torch.randn(5, 4, 4, 4)
    whole = ImageLatents(network, CPU, frames_at_once=8).decode(coded)
    parts = ImageLatents(network, CPU, frames_at_once=2).decode(coded)
    alone = torch.cat([ImageLatents(network, CPU).decode(frame[None]) for frame in coded])
    for other in (parts, alone):
        assert int((whole.int() - other.int()).abs().max()) <= 1


def test_the_network_lies_channels_last(latents: ImageLatents) -> None:
    kernels = [weight for weight in latents.network.parameters() if weight.ndim == 4]
    assert kernels
    assert all(k.is_contiguous(memory_format=torch.channels_last) for k in kernels)
    assert latents.dtype == torch.float32


@pytest.mark.parametrize(
    "bad",
    [
        torch.zeros(1, 32, 32, 3),
        torch.zeros(32, 32, 3, dtype=torch.uint8),
        torch.zeros(1, 32, 32, 4, dtype=torch.uint8),
        torch.zeros(1, 30, 32, 3, dtype=torch.uint8),
    ],
)
def test_pictures_of_another_form_are_refused(bad: Tensor, latents: ImageLatents) -> None:
    with pytest.raises(ShapeError, match="pictures are"):
        latents.encode(bad)


def test_latents_of_another_form_are_refused(latents: ImageLatents) -> None:
    with pytest.raises(ShapeError, match=r"latents are \(1, 3, 4, 4\)"):
        latents.decode(torch.zeros(1, 3, 4, 4))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="gpu: no CUDA device")
def test_bfloat16_on_cuda_is_close_to_float32(network: nn.Module) -> None:
    coded = torch.randn(3, 4, 4, 4)
    exact = ImageLatents(network, CPU).decode(coded)
    wrapped = ImageLatents(network, torch.device("cuda"))
    assert wrapped.dtype == torch.bfloat16
    close = wrapped.decode(coded).cpu()
    assert float((exact.float() - close.float()).abs().mean()) < 4

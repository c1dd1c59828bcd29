"""One real face, and networks small enough to build in every test."""

import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
import torch

from realtime_model.config import AudioConfig, CodecConfig, DenoiserConfig, ModelConfig
from realtime_model.contract import RgbImage
from realtime_model.face import FaceLandmarker
from realtime_model.network import EmoNetwork
from realtime_model.portrait import FramedPortrait, frame_portrait

TINY = ModelConfig(
    name="tiny",
    codec=CodecConfig(pyramid=(8, 8, 16, 16), detail=(8, 8)),
    audio=AudioConfig(mels=16, width=16, token_dim=12),
    denoiser=DenoiserConfig(widths=(16, 32), head_dim=8, temb=16),
)


@pytest.fixture(autouse=True)
def one_thread_one_seed() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def landmarker() -> FaceLandmarker:
    return FaceLandmarker()


@pytest.fixture(scope="session")
def framed(astronaut: RgbImage, landmarker: FaceLandmarker) -> FramedPortrait:
    return frame_portrait(astronaut, landmarker)


@pytest.fixture(scope="session")
def tiny() -> ModelConfig:
    return TINY


@pytest.fixture
def shake() -> Callable[[torch.nn.Module], None]:
    """Moves every weight a little, so that layers which start at zero matter too."""

    def move(module: torch.nn.Module, size: float = 0.05) -> None:
        with torch.no_grad():
            for weight in module.parameters():
                weight.add_(size * torch.randn_like(weight))

    return move


@pytest.fixture
def full_disk() -> AbstractContextManager[None]:
    """While it is entered, no file of this process grows beyond a few kilobytes."""

    @contextmanager
    def limited() -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (8_192, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limited()


@pytest.fixture
def network(tiny: ModelConfig, shake: Callable[[torch.nn.Module], None]) -> EmoNetwork:
    torch.manual_seed(1)
    made = EmoNetwork(tiny)
    shake(made)
    return made.eval().requires_grad_(False)

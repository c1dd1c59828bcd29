"""The layout of `emo-sd15` in miniature: every kind of module, narrow."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch import Tensor

from realtime_model.config import AudioConfig, ModelConfig, SamplerConfig, UnetConfig
from realtime_model.contract import RgbImage
from realtime_model.unet.network import Portrait, Regions, UnetNetwork
from realtime_model.unet.trunk import sites
from tests.unit.realtime_model.unet.plain import Given, PlainHallo

SIDE = 8
MINI = ModelConfig(
    name="mini-sd15",
    audio=AudioConfig(margin_frames=2),
    sampler=SamplerConfig(path="linear"),
    unet=UnetConfig(
        widths=(16, 24, 32, 32),
        heads=2,
        groups=4,
        token_dim=12,
        face_dim=10,
        audio_layers=3,
        audio_dim=6,
        audio_hidden=14,
        audio_tokens=5,
        locator=(4, 6, 8, 10),
        max_frames=12,
    ),
)


ECHO: dict[str, object] = {
    "face_tokens": 0,
    "voice": "attention",
    "audio_layers": 2,
    "audio_dim": 12,
    "audio_tokens": 10,
    "audio_gain": 3.0,
    "locator_channels": 1,
    "motion_frames": 0,
    "overlap_frames": 2,
    "unattended_motion": True,
}
"""What makes EchoMimic's layout of it."""


@pytest.fixture(scope="session")
def pictures(astronaut: RgbImage) -> Tensor:
    """Squares of a photograph, uint8 (n, 64, 64, 3)."""
    cut = [astronaut[y : y + 64, x : x + 64] for y in range(0, 384, 64) for x in range(0, 384, 64)]
    return torch.from_numpy(np.stack(cut))


@pytest.fixture(scope="session")
def mini() -> ModelConfig:
    return MINI


@dataclass
class Scene:
    """Random inputs, what the network makes of them, and what the plain one does."""

    net: UnetNetwork
    frames: int = 3
    speed_deg: Tensor | None = None

    def __post_init__(self) -> None:
        config = self.net.unet
        self.latent = torch.randn(1, config.channels, SIDE, SIDE)
        self.box = torch.zeros(1, 3, 8 * SIDE, 8 * SIDE)
        self.box[:, :, 10:45, 15:50] = 1
        self.masks = tuple(
            torch.rand(1, 3, (SIDE >> depth) ** 2) for depth in range(len(config.widths))
        )
        self.identity = torch.randn(1, config.face_dim) if config.face_tokens else None
        heard = self.frames + 2 * self.net.config.audio.margin_frames
        self.features = torch.randn(1, heard, config.audio_layers, config.audio_dim)
        kept = config.motion_frames or config.overlap_frames
        self.past = torch.randn(1, kept, config.channels, SIDE, SIDE)
        self.noisy = torch.randn(1, self.frames, config.channels, SIDE, SIDE)
        self.level = torch.tensor([0.7])

    def portrait(self) -> Portrait:
        return self.net.portrait(self.latent, Regions(self.box, self.masks), self.identity)

    def velocity(self) -> Tensor:
        portrait = self.portrait()
        given = self.net.chunk(self.features, self.net.motion(portrait, self.past), self.speed_deg)
        return self.net.guided(portrait, given)(self.noisy, self.level)

    def bank(self) -> dict[str, Tensor]:
        """Features of portrait and motion frames, by site, as Hallo keeps them."""
        tokens = self.net.face_tokens(self.identity)
        whole = torch.cat([self.latent, self.past[0]])
        bank = self.net.reference(whole, self.net.reference.face_keys(tokens))
        names = [place.path("attentions") for place in sites(self.net.unet)]
        return {name: site[None] for name, site in zip(names, bank, strict=True)}

    def plain_given(self, plain: PlainHallo) -> Given:
        box = self.box[:, :, None].expand(-1, -1, self.frames, -1, -1)
        return Given(
            face_tokens=self.net.face_tokens(self.identity),
            audio_tokens=self.net.audio(self.features),
            face_bias=plain.locate(box),
            masks=[mask[0] for mask in self.masks],
            bank=self.bank(),
            scales=self.net.unet.audio_scales,
        )


MakeScene = Callable[..., Scene]


@pytest.fixture
def scene_of(shake: Callable[..., None]) -> MakeScene:
    """Builds a shaken miniature with other settings of its unet, and inputs for it."""

    def make(guidance: float = 1.0, **changes: object) -> Scene:
        assert MINI.unet is not None
        config = replace(
            MINI,
            sampler=replace(MINI.sampler, guidance=guidance),
            unet=replace(MINI.unet, **changes),  # type: ignore[arg-type]
        )
        torch.manual_seed(2)
        net = UnetNetwork(config).eval().requires_grad_(False)
        shake(net, 0.1)
        return Scene(net)

    return make


@pytest.fixture
def echo(scene_of: MakeScene) -> Scene:
    return scene_of(**ECHO)


@pytest.fixture
def scene(scene_of: MakeScene) -> Scene:
    return scene_of()

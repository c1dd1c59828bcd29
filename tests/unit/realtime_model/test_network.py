"""What is diffused is pose and detail apart; nothing is lost between."""

import torch

from realtime_model.config import ModelConfig
from realtime_model.network import EmoNetwork


def test_joining_undoes_splitting(tiny: ModelConfig) -> None:
    network = EmoNetwork(tiny)
    network.latent_scale.copy_(torch.tensor([2.0, 3.0, 0.5, 0.25])[:, None, None])
    latent = torch.randn(5, 2, 8, 8)
    parts = network.split(latent)
    assert parts.shape == (5, 4, 8, 8)
    assert torch.allclose(network.join(parts), latent, atol=1e-5)


def test_a_turning_head_is_pose_and_moving_lips_are_detail(tiny: ModelConfig) -> None:
    network = EmoNetwork(tiny)
    axis = torch.linspace(-1, 1, 8)
    turn = torch.stack([1 - axis[None] ** 2 * torch.ones(8, 1), 0.1 * axis[:, None].expand(8, 8)])
    pose, detail = network.split(turn[None]).chunk(2, 1)
    assert detail.abs().max() < 1e-5 < pose.abs().max()
    lips = torch.zeros(1, 2, 8, 8)
    lips[0, 1, 5, 3:5] = 1.0
    pose, detail = network.split(lips).chunk(2, 1)
    assert detail.pow(2).sum() > 2 * pose.pow(2).sum()


def test_what_strays_from_its_own_part_is_dropped(tiny: ModelConfig) -> None:
    network = EmoNetwork(tiny)
    stray = torch.zeros(1, 4, 8, 8)
    stray[:, 2:] = 1.0  # a uniform shift in the channels of detail
    assert network.join(stray).abs().max() < 1e-5


def test_the_portrait_itself_is_zero(tiny: ModelConfig) -> None:
    assert EmoNetwork(tiny).join(torch.zeros(1, 4, 8, 8)).abs().max() == 0

"""Identity, voice and place of the face as tokens and maps, against their arithmetic."""

import torch
import torch.nn.functional as F
from torch import Tensor

from realtime_model.unet.conditions import AudioProjection, FaceLocator
from tests.unit.realtime_model.unet.conftest import MINI, Scene


def test_tokens_of_a_frame_are_its_features_and_its_neighbours_in_order(scene: Scene) -> None:
    net = scene.net.audio
    assert isinstance(net, AudioProjection)
    features = torch.randn(1, 7, 3, 6)  # two frames beside three
    for frame in range(3):
        heard = features[0, frame : frame + 5].reshape(-1)  # time, then layer, then channel
        hidden = F.relu(net.proj1.weight @ heard + net.proj1.bias)
        hidden = F.relu(net.proj2.weight @ hidden + net.proj2.bias)
        tokens = (net.proj3.weight @ hidden + net.proj3.bias).view(5, 12)
        normed = F.layer_norm(tokens, (12,), net.norm.weight, net.norm.bias)
        assert torch.allclose(net(features)[0, frame], normed, atol=1e-5)


def test_an_identity_becomes_tokens(scene: Scene) -> None:
    net, identity = scene.net.face, torch.randn(2, 10)
    assert net is not None
    tokens = (identity @ net.proj.weight.T + net.proj.bias).view(2, 4, 12)
    normed = F.layer_norm(tokens, (12,), net.norm.weight, net.norm.bias)
    assert torch.allclose(net(identity), normed, atol=1e-5)


def test_the_locator_is_silent_until_trained_and_halves_three_times() -> None:
    assert MINI.unet is not None
    net = FaceLocator(MINI.unet).requires_grad_(False)
    out: Tensor = net(torch.rand(2, 3, 64, 64))
    assert out.shape == (2, 16, 8, 8)
    assert float(out.abs().max()) == 0


def test_voice_and_time_are_silent_until_trained(scene: Scene) -> None:
    fresh = type(scene.net)(scene.net.config).eval().requires_grad_(False)
    scene.net = fresh
    before = scene.velocity()
    scene.features = torch.randn_like(scene.features)
    scene.past = torch.randn_like(scene.past)
    assert torch.allclose(scene.velocity(), before, atol=1e-6)

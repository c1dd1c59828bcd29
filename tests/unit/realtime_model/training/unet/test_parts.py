"""Rounds: what is trained changes, the rest stays; low-rank additions become weights."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from realtime_model.config import UnetConfig
from realtime_model.errors import TrainingError
from realtime_model.training.denoising import Round
from realtime_model.training.unet.lora import add_lora, merge_lora
from realtime_model.training.unet.parts import choose, is_still, part_of
from realtime_model.unet.network import UnetNetwork
from tests.unit.realtime_model.training.unet.conftest import SMALLEST


def trained(network: UnetNetwork) -> set[str]:
    return {part_of(n) for n, p in network.named_parameters() if p.requires_grad}


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ("spatial", {"spatial"}),
        ("temporal", {"voice", "time"}),
        ("speed", {"speed"}),
        ("time+speed", {"time", "speed"}),
        ("all", {"spatial", "voice", "time", "speed"}),
    ],
)
def test_a_round_trains_its_parts_alone(unet: UnetNetwork, parts: str, expected: set[str]) -> None:
    choose(unet, Round(parts))
    assert trained(unet) == expected
    assert is_still(Round(parts)) == (parts == "spatial")


def test_every_weight_has_the_part_it_sits_in(unet: UnetNetwork) -> None:
    counts: dict[str, int] = {}
    for name, _ in unet.named_parameters():
        part = part_of(name)
        counts[part] = counts.get(part, 0) + 1
        if name.startswith(("reference.", "locator.", "face.")):
            assert part == "spatial"
    assert set(counts) == {"spatial", "voice", "time", "speed"}
    sites = sum(p.attends for p in unet.backbone.places)
    assert counts["speed"] == 5 + sites * 6  # encoder, then norm 2 and attention 4 a site


def test_a_part_that_is_not_there_is_refused(unet: UnetNetwork) -> None:
    with pytest.raises(TrainingError, match="mouth is none of spatial, voice"):
        choose(unet, Round("mouth"))
    assert SMALLEST.unet is not None
    mute = {f: getattr(SMALLEST.unet, f) for f in UnetConfig.__dataclass_fields__}
    plain = UnetNetwork(type(SMALLEST)(name="plain", unet=UnetConfig(**(mute | {"speed": False}))))
    with pytest.raises(TrainingError, match="no layers for speed"):
        choose(plain, Round("speed"))
    choose(plain, Round("all"))
    assert trained(plain) == {"spatial", "voice", "time"}


def test_low_rank_additions_start_as_nothing_and_end_as_weights() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))
    net[0].requires_grad_(False)
    keys, x = net.state_dict().keys(), torch.randn(5, 6)
    before = net(x)
    add_lora(net, 2)
    assert torch.equal(net(x), before)
    weights = [n for n, p in net.named_parameters() if p.requires_grad]
    assert weights == [f"2.parametrizations.weight.0.{n}" for n in ("up", "down")]
    optimiser = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], 0.5)
    for _ in range(2):
        optimiser.zero_grad()
        net(x).pow(2).sum().backward()
        optimiser.step()
    after = net(x)
    assert not torch.allclose(after, before)
    merge_lora(net)
    assert net.state_dict().keys() == keys
    torch.testing.assert_close(net(x), after)


def test_a_round_of_low_rank_trains_a_fraction(
    unet: UnetNetwork, shake: Callable[[nn.Module], None]
) -> None:
    keys = unet.state_dict().keys()
    choose(unet, Round("all", lora_rank=2))
    few = sum(p.numel() for p in unet.parameters() if p.requires_grad)
    assert 0 < few < 0.2 * sum(p.numel() for p in unet.parameters())
    merge_lora(unet)
    assert unet.state_dict().keys() == keys

"""Which streams go through the network together."""

from dataclasses import replace

import pytest
import torch

from realtime_model.config import ModelConfig, RuntimeConfig, UnetConfig
from realtime_model.contract import StreamOptions
from realtime_model.engine import _passes
from realtime_model.state import StreamState


def wanting(*steps: int) -> list[StreamState[str]]:
    still = torch.zeros(1, 4, 8, 8)
    return [StreamState("somebody", None, still, n, StreamOptions()) for n in steps]


@pytest.mark.parametrize(
    ("steps", "together"),
    [((2,), [[0]]), ((2, 2, 2), [[0, 1, 2]]), ((4, 1, 4, 2), [[1], [3], [0, 2]])],
)
def test_streams_on_the_same_steps_share_a_pass(
    steps: tuple[int, ...], together: list[list[int]]
) -> None:
    assert _passes(wanting(*steps), ModelConfig()) == together


def test_streams_take_turns_where_one_shape_was_compiled_or_recorded() -> None:
    large = ModelConfig(unet=UnetConfig())
    assert not large.is_one_shape
    compiled = replace(large, runtime=RuntimeConfig(compile=True))
    assert compiled.is_one_shape
    assert _passes(wanting(2, 1, 2), compiled) == [[0], [1], [2]]
    assert replace(large, runtime=RuntimeConfig(cuda_graphs=True)).is_one_shape
    assert not replace(large, runtime=RuntimeConfig(channels_last=True)).is_one_shape

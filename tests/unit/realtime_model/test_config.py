"""A configuration says exactly what a network is, or is refused."""

from typing import Any

import pytest

from realtime_model.config import ModelConfig, SamplerConfig
from realtime_model.errors import ConfigError


def test_plain_values_read_back_as_the_same_configuration(tiny: ModelConfig) -> None:
    assert ModelConfig.read(tiny.plain()) == tiny
    assert ModelConfig.read(ModelConfig().plain()) == ModelConfig()


def test_lists_become_tuples_and_sections_keep_their_defaults() -> None:
    config = ModelConfig.read({"denoiser": {"widths": [16, 32]}, "sampler": {"steps": 1}})
    assert config.denoiser.widths == (16, 32)
    assert config.sampler == SamplerConfig(steps=1)
    assert config.audio == ModelConfig().audio


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"colour": "red"}, "colour"),
        ({"denoiser": {"width": 3}}, "denoiser.width"),
        ({"geometry": {"frames": 3}}, "geometry"),
        ({"geometry": {"fps": 30}}, "30 fps"),
    ],
)
def test_a_wrong_key_or_size_is_named(values: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        ModelConfig.read(values)

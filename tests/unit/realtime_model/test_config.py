"""A configuration says exactly what a network is, or is refused."""

from typing import Any

import pytest

from realtime_model.config import ModelConfig, PartsConfig, RuntimeConfig, SamplerConfig
from realtime_model.errors import ConfigError


def test_plain_values_read_back_as_the_same_configuration(tiny: ModelConfig) -> None:
    assert ModelConfig.read(tiny.plain()) == tiny
    assert ModelConfig.read(ModelConfig().plain()) == ModelConfig()


def test_sections_of_the_large_size_are_read() -> None:
    config = ModelConfig.read(
        {
            "unet": {"motion_frames": 3},
            "sampler": {"guidance": 3.5, "path": "linear"},
            "parts": {"network": "hallo"},
            "runtime": {"dtype": "bfloat16"},
        }
    )
    assert config.motion_frames == 3
    assert config.parts == PartsConfig(network="hallo")
    assert config.runtime == RuntimeConfig(dtype="bfloat16")
    assert ModelConfig.read(config.plain()) == config
    assert ModelConfig().motion_frames == 2


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
        ({"sampler": {"guidance": 3.5}}, r"sampler\.guidance is for presets with a section unet"),
        ({"sampler": {"path": "linear"}}, r"sampler\.path is for presets with a section unet"),
        ({"sampler": {"guide": "fused"}}, r"sampler\.guide is for presets"),
        ({"sampler": {"shared_noise": 1.1}}, r"sampler\.shared_noise is from 0 to 1"),
        ({"sampler": {"guide": "twice"}}, "two-pass, fused or self-negative, not twice"),
        ({"runtime": {"compile": True}}, "runtime is for presets with a section unet"),
        ({"runtime": {"dtype": "int8"}, "unet": {}}, "float32 or bfloat16, not int8"),
        ({"parts": {"network": "hallo"}}, "parts is for presets with a section unet"),
        ({"parts": {"ears": "two"}, "unet": {}}, r"parts\.ears"),
    ],
)
def test_a_wrong_key_or_size_is_named(values: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        ModelConfig.read(values)

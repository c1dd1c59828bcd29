"""The networks of diffusers and transformers that public weights are for, by kind.

Their packages are imported here and only when a network is built; ``transformers`` comes with
``pip install 'emolive[sd15]'``. Of a published ``config.json`` only sizes are taken: other entries
could ask these libraries to fetch and run code.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from torch import nn

from realtime_model.errors import CheckpointError

Config = dict[str, Any]

# Sizes of the published models; a config.json beside the weights changes them.
_KL_VAE: Config = {
    "in_channels": 3,
    "out_channels": 3,
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "block_out_channels": [128, 256, 512, 512],
    "layers_per_block": 2,
    "act_fn": "silu",
    "latent_channels": 4,
    "norm_num_groups": 32,
    "sample_size": 256,
    "scaling_factor": 0.18215,
}
_TAESD: Config = {
    "in_channels": 3,
    "out_channels": 3,
    "encoder_block_out_channels": [64, 64, 64, 64],
    "decoder_block_out_channels": [64, 64, 64, 64],
    "act_fn": "relu",
    "latent_channels": 4,
    "upsampling_scaling_factor": 2,
    "num_encoder_blocks": [1, 3, 3, 3],
    "num_decoder_blocks": [3, 3, 3, 1],
    "latent_magnitude": 3,
    "latent_shift": 0.5,
    "scaling_factor": 1.0,
}
_WAV2VEC2: Config = {
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-5,
    "feat_extract_norm": "group",
    "feat_extract_activation": "gelu",
    "conv_dim": [512] * 7,
    "conv_stride": [5, 2, 2, 2, 2, 2, 2],
    "conv_kernel": [10, 3, 3, 3, 3, 2, 2],
    "conv_bias": False,
    "num_conv_pos_embeddings": 128,
    "num_conv_pos_embedding_groups": 16,
    "do_stable_layer_norm": False,
}
_WHISPER_TINY: Config = {
    "d_model": 384,
    "encoder_layers": 4,
    "encoder_attention_heads": 6,
    "encoder_ffn_dim": 1536,
    "activation_function": "gelu",
    "num_mel_bins": 80,
    "max_source_positions": 1500,
}


def builder(
    kind: str, published: Mapping[str, Any] | None
) -> tuple[Config, Callable[[], nn.Module]]:
    """Return the sizes of a network and a function that builds it, with random weights.

    Args:
        kind: ``kl-vae``, ``taesd``, ``wav2vec2`` or ``whisper-tiny``.
        published: a ``config.json``; None takes the sizes of the published model.

    Raises:
        CheckpointError: the configuration is of another class, or its package is not installed.
    """
    make, own_name, sizes = _NETWORKS[kind]
    given = dict(published or {})
    name = given.get("_class_name") or given.get("model_type") or own_name
    if name != own_name:
        raise CheckpointError(f"config.json describes a {name}, but {kind} is a {own_name}")
    config = sizes | {key: value for key, value in given.items() if key in sizes}
    for key, value in config.items():
        if not _alike(value, sizes[key]):
            raise CheckpointError(f"config.json: {key} is {value!r}, which no {kind} can have")
    return config, lambda: _build(kind, make, config)


def _alike(value: Any, example: Any) -> bool:
    """Whether a value has the type of another; of lists, whether each entry has."""
    if isinstance(example, list):
        listed = isinstance(value, list) and len(value) > 0
        return listed and all(_alike(entry, example[0]) for entry in value)
    if isinstance(example, float):
        return isinstance(value, float | int) and not isinstance(value, bool)
    return type(value) is type(example)


def _build(kind: str, make: Callable[[Config], nn.Module], config: Config) -> nn.Module:
    try:
        return make(config)
    except ImportError as exc:
        raise CheckpointError(
            f"{kind} needs the package {exc.name}: pip install 'emolive[sd15]'"
        ) from exc
    except (TypeError, ValueError, KeyError, IndexError, ZeroDivisionError) as exc:
        raise CheckpointError(f"config.json gives sizes that no {kind} can have: {exc}") from exc


def _kl_vae(config: Config) -> nn.Module:
    made: nn.Module = import_module("diffusers").AutoencoderKL(**config)
    return made


def _taesd(config: Config) -> nn.Module:
    made: nn.Module = import_module("diffusers").AutoencoderTiny(**config)
    return made


def _wav2vec2(config: Config) -> nn.Module:
    library = import_module("transformers")
    if len({len(config[f"conv_{name}"]) for name in ("dim", "stride", "kernel")}) > 1:
        raise ValueError("conv_dim, conv_stride and conv_kernel differ in length")
    # No masking: it belongs to training and would add a parameter.
    sizes = library.Wav2Vec2Config(**config, mask_time_prob=0.0, mask_feature_prob=0.0)
    made: nn.Module = library.Wav2Vec2Model(sizes)
    return made


def _whisper(config: Config) -> nn.Module:
    library = import_module("transformers")
    whisper = import_module("transformers.models.whisper.modeling_whisper")
    made: nn.Module = whisper.WhisperEncoder(library.WhisperConfig(**config))
    return made


_NETWORKS: dict[str, tuple[Callable[[Config], nn.Module], str, Config]] = {
    "kl-vae": (_kl_vae, "AutoencoderKL", _KL_VAE),
    "taesd": (_taesd, "AutoencoderTiny", _TAESD),
    "wav2vec2": (_wav2vec2, "wav2vec2", _WAV2VEC2),
    "whisper-tiny": (_whisper, "whisper", _WHISPER_TINY),
}

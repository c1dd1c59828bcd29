"""The real classes of diffusers and transformers, small and with random weights."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from realtime_model.pretrained.networks import builder

SMALL: dict[str, dict[str, Any]] = {
    "kl-vae": {
        "_class_name": "AutoencoderKL",
        "block_out_channels": [8, 8, 16, 16],
        "layers_per_block": 1,
        "norm_num_groups": 4,
    },
    "taesd": {
        "_class_name": "AutoencoderTiny",
        "encoder_block_out_channels": [8, 8, 8, 8],
        "decoder_block_out_channels": [8, 8, 8, 8],
        "num_encoder_blocks": [1, 1, 1, 1],
        "num_decoder_blocks": [1, 1, 1, 1],
    },
    "wav2vec2": {
        "model_type": "wav2vec2",
        "hidden_size": 24,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "conv_dim": [8] * 7,
        "num_conv_pos_embeddings": 16,
        "num_conv_pos_embedding_groups": 2,
    },
    "whisper-tiny": {
        "model_type": "whisper",
        "d_model": 24,
        "encoder_layers": 4,
        "encoder_attention_heads": 2,
        "encoder_ffn_dim": 32,
        "max_source_positions": 500,
    },
}


def small_network(kind: str) -> nn.Module:
    torch.manual_seed(1)
    network = builder(kind, SMALL[kind])[1]()
    with torch.no_grad():
        for weight in network.parameters():  # layers that start at zero matter too
            weight.add_(0.05 * torch.randn_like(weight))
    return network.eval().requires_grad_(False)


def as_published(kind: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename tensors to what published files call them, and add what those have besides."""
    if kind == "wav2vec2":
        names = {"parametrizations.weight.original0": "weight_g"}
        names["parametrizations.weight.original1"] = "weight_v"
        found = {}
        for key, value in tensors.items():
            for new, old in names.items():
                key = key.replace(new, old)
            found[f"wav2vec2.{key}"] = value
        return found | {
            "lm_head.weight": torch.zeros(2),
            "wav2vec2.masked_spec_embed": torch.zeros(2),
        }
    if kind == "whisper-tiny":
        found = {f"model.encoder.{key}": value for key, value in tensors.items()}
        return found | {
            "model.decoder.embed_tokens.weight": torch.zeros(2),
            "proj_out.weight": torch.zeros(2),
        }
    return dict(tensors)


@pytest.fixture
def published() -> Callable[[str], dict[str, Tensor]]:
    """Return a function that makes the contents of a published file of a kind."""
    return lambda kind: as_published(kind, small_network(kind).state_dict())

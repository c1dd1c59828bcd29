"""One constructor: a preset in, a model out."""

import os
from pathlib import Path

import pytest
import torch

from realtime_model.checkpoint import save_network
from realtime_model.config import ModelConfig
from realtime_model.errors import CheckpointError
from realtime_model.factory import build_model
from realtime_model.network import EmoNetwork


def test_a_preset_becomes_a_model_with_the_threads_asked_for(
    tmp_path: Path, tiny: ModelConfig
) -> None:
    save_network(EmoNetwork(tiny), tmp_path / "tiny.yaml")
    model = build_model(tmp_path / "tiny.yaml", threads=1)
    assert torch.get_num_threads() == 1
    assert model.geometry == tiny.geometry
    build_model(tmp_path / "tiny.yaml")
    assert torch.get_num_threads() == min(2, os.cpu_count() or 1)


def test_a_missing_preset_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be read"):
        build_model(tmp_path / "none.yaml")

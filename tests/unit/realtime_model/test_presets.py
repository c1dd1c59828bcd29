"""A name becomes a file, without torch."""

import subprocess
import sys
from pathlib import Path

import pytest

from realtime_model.checkpoint import DEFAULT_PRESET, read_config
from realtime_model.errors import ConfigError
from realtime_model.presets import preset_names, preset_path


def test_shipped_names_and_own_files_are_found(tmp_path: Path) -> None:
    assert preset_names() == ("default", "emo-sd15", "emo-sd15-echomimic-acc")
    assert preset_path("default") == DEFAULT_PRESET
    assert [read_config(preset_path(name)).name for name in preset_names()] == [
        "emo-tiny",
        "emo-sd15",
        "emo-sd15-echomimic-acc",
    ]
    own = tmp_path / "mine.yaml"
    own.touch()
    assert preset_path(str(own)) == own
    with pytest.raises(ConfigError, match=r"use default, emo-sd15, emo-sd15-.*, or a path"):
        preset_path("emo-sd16")


def test_the_embedded_model_loads_no_diffusers() -> None:
    code = (
        "import sys; from realtime_model.factory import build_model; build_model(threads=1); "
        "print([m for m in ('diffusers', 'transformers') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"

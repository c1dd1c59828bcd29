"""The only public constructor of the model."""

import os
from pathlib import Path

from realtime_model.checkpoint import DEFAULT_PRESET, load_network, read_config
from realtime_model.crew import Crew
from realtime_model.generator import Generator
from realtime_model.heap import keep_freed_memory
from realtime_model.tiny import TinyEngine


def build_model(preset: Path | None = None, *, threads: int | None = None) -> Generator:
    """Load a preset and return the model, ready to open streams.

    Args:
        preset: path of a preset's YAML; None takes the embedded default.
        threads: CPU threads of the network at most, see `crew`; None takes two, or one where there
            is but one core.

    Raises:
        CheckpointError: the weights are missing, altered or foreign.
        ConfigError: the preset is not usable.
        MemoryShortError: there is too little memory for it.
    """
    keep_freed_memory()
    crew = Crew(threads or min(2, os.cpu_count() or 1))
    preset = preset or DEFAULT_PRESET
    config = read_config(preset)
    if config.unet is None:
        return Generator(TinyEngine(load_network(preset)), crew)
    from realtime_model.unet.building import build_unet  # diffusers, for those who need it

    return Generator(build_unet(preset, config))

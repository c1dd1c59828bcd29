"""Weights of `emo-sd15` on disk, in files like those of `emo-tiny`."""

from pathlib import Path

from realtime_model.checkpoint import fit, read_weights
from realtime_model.unet.network import UnetNetwork


def load_unet_network(preset: Path) -> UnetNetwork:
    """Build the networks a preset describes and fill them with their weights, as float32.

    Raises:
        CheckpointError: a file is missing or altered, or its tensors do not fit the configuration.
        ConfigError: the configuration has an unknown key, an impossible size, or no unet.
    """
    config, state = read_weights(preset)
    network = UnetNetwork(config)
    fit(network, state, preset)
    return network.eval().requires_grad_(False)

"""Weights of `emo-sd15` on disk, in files like those of `emo-tiny`.

An autoencoder that was fitted for them lies in the same file, so that one hash is for both and
neither is ever used without the other.
"""

from pathlib import Path

from torch import nn

from realtime_model.checkpoint import fit, read_weights, save_network
from realtime_model.unet.miniature import PATCHES, PatchAutoencoder
from realtime_model.unet.network import UnetNetwork


def save_unet_network(
    network: UnetNetwork, preset: Path, patches: PatchAutoencoder | None = None
) -> None:
    """Write float16 weights and the preset that names them; both appear whole or not at all.

    Args:
        network: what to save.
        preset: path of the YAML; the weights lie beside it with the same stem.
        patches: the autoencoder, where the network's `parts` name it; kept as float32.

    Raises:
        CheckpointError: the files cannot be written.
    """
    save_network(network, preset, fitted={} if patches is None else _named(patches).state_dict())


def load_unet_network(preset: Path) -> UnetNetwork:
    """Build the networks a preset describes and fill them with their weights, as float32.

    Raises:
        CheckpointError: a file is missing or altered, or its tensors do not fit the configuration.
        ConfigError: the configuration has an unknown key, an impossible size, or no unet.
    """
    return load_with_patches(preset)[0]


def load_with_patches(preset: Path) -> tuple[UnetNetwork, PatchAutoencoder | None]:
    """Do as `load_unet_network`, and return the autoencoder that was saved with them, if any.

    Raises:
        CheckpointError, ConfigError: as there; or the preset's parts name patches, and none lie
            beside it.
    """
    config, state = read_weights(preset)
    network = UnetNetwork(config)
    fitted = {key: state.pop(key) for key in list(state) if key.startswith(f"{PATCHES}.")}
    fit(network, state, preset)
    patches = None
    if config.parts is not None and PATCHES in (config.parts.encoder, config.parts.decoder):
        patches = PatchAutoencoder(network.unet.channels)
        fit(_named(patches), fitted, preset)
    return network.eval().requires_grad_(False), patches


def _named(patches: PatchAutoencoder) -> nn.Module:
    """The autoencoder under the names that its tensors have beside those of the networks."""
    return nn.ModuleDict({PATCHES: patches})

"""EchoMimic v1's four files and this package: Hallo's names, in a layout without its additions.

reference_unet.pth   Stable Diffusion's UNet without cross-attention and its last convolution
denoising_unet.pth   Stable Diffusion's UNet; its cross-attention hears whisper's 384 channels
motion_module.pth    AnimateDiff's modules over time, at all 21 places
face_locator.pth     as Hallo's, of one channel and other widths

``*_acc`` are the same layouts, trained for six steps. The voice enters where faces do in Hallo; no
identity, no regions, no motion frames: the last frames are denoised again with the new ones.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from types import MappingProxyType

from torch import Tensor

from realtime_model.config import ModelConfig, SamplerConfig, UnetConfig
from realtime_model.errors import CheckpointError
from realtime_model.geometry import WindowGeometry
from realtime_model.unet import hallo
from realtime_model.unet.network import UnetNetwork

ACC = ModelConfig(
    name="emo-sd15-echomimic-acc",
    geometry=WindowGeometry(
        hop_frames=9, lookahead_frames=2, past_frames=200, width_px=512, height_px=512
    ),
    sampler=SamplerConfig(steps=6, path="linear", guidance=1.0, motion_noise=0.0, noise_limit=1.5),
    unet=UnetConfig(
        token_dim=384,
        face_tokens=0,
        voice="attention",
        audio_layers=10,  # two steps of 20 ms, five depths each
        audio_dim=384,
        audio_tokens=50,
        audio_gain=3.0,
        locator=(16, 32, 96, 256),
        locator_channels=1,
        motion_frames=0,
        overlap_frames=3,  # windows of twelve
        unattended_motion=True,
    ),
)
"""The few-step weights as their authors run them, but at 25 frames a second, not 24."""

CONFIG = replace(
    ACC, name="emo-sd15-echomimic", sampler=replace(ACC.sampler, steps=30, guidance=2.5)
)
"""The first weights: 30 steps, with guidance."""

PARTS = ("reference_unet", "denoising_unet", "motion_module", "face_locator")
_MOTION = ".motion_modules."


def convert(state: Mapping[str, Tensor], config: UnetConfig | None = None) -> dict[str, Tensor]:
    """Return the tensors of all four files under our names.

    Args:
        state: as loaded with ``weights_only=True``, each name behind its file's, as in `PARTS`,
            and a dot.
        config: of the network; none is EchoMimic v1's.

    Raises:
        CheckpointError: a tensor is missing, unknown or of another shape.
    """
    config = config or _published()
    found = hallo.compare(state, layout(config))
    if found:
        raise CheckpointError(
            f"these are not the files of EchoMimic v1 ({found}): download them again; those whose "
            "names have pose in them are another model"
        )
    return {name: hallo.gather(state, theirs) for name, theirs in names(config)}


def load(network: UnetNetwork, state: Mapping[str, Tensor]) -> None:
    """Fill a network from the files; see `convert`. Speed layers stay as they were built."""
    result = network.load_state_dict(convert(state, network.unet), strict=False)
    assert not result.unexpected_keys
    assert all(".speed" in key for key in result.missing_keys)


def export(network: UnetNetwork) -> dict[str, Tensor]:
    """Return a network's tensors as the files have them, each name behind its file's."""
    return {_placed(key): value for key, value in hallo.export(network).items()}


@cache
def layout(config: UnetConfig) -> Mapping[str, tuple[int, ...]]:
    """Names and shapes of all four files; nothing of their size is allocated."""
    return MappingProxyType({_placed(k): shape for k, shape in hallo.layout(config).items()})


def names(config: UnetConfig) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each of our names, with the one name the files have for it, or the two."""
    for name, theirs in hallo.names(config):
        yield name, tuple(map(_placed, theirs))


def _placed(key: str) -> str:
    """Modules over time lie in a file of their own, under the names of the UNet they are for."""
    return f"motion_module.{key.partition('.')[2]}" if _MOTION in key else key


def _published() -> UnetConfig:
    assert ACC.unet is not None
    return ACC.unet

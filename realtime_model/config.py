"""What a network is made of: frozen, checked, the same classes for every preset."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from realtime_model.errors import ConfigError
from realtime_model.geometry import WindowGeometry


@dataclass(frozen=True, slots=True)
class _Section:
    @classmethod
    def read(cls, values: Mapping[str, Any], where: str = "") -> Self:
        """Build from plain values.

        Raises:
            ConfigError: an unknown key, or a value of the wrong kind.
        """
        known = {f.name: f for f in dataclasses.fields(cls)}
        for key in values:
            if key not in known:
                raise ConfigError(f"unknown key {where}{key}; known: {', '.join(sorted(known))}")
        ready = {}
        for key, value in values.items():
            if isinstance(value, Mapping) and key in _READERS:
                ready[key] = _READERS[key](value, f"{where}{key}.")
            else:
                ready[key] = tuple(value) if isinstance(value, list) else value
        try:
            return cls(**ready)
        except TypeError as exc:
            raise ConfigError(f"{where or 'config'}: {exc}") from exc


@dataclass(frozen=True, slots=True)
class CodecConfig(_Section):
    """Latents that mean "what moved": displacement in x and y, (2, side, side) per frame."""

    latent_channels: int = 2
    latent_side: int = 8
    pyramid: tuple[int, ...] = (24, 40, 64, 96)  # channels at 64, 32, 16 and 8 cells
    detail: tuple[int, int] = (40, 24)  # channels of the painter at 64 and 128 cells
    window_cells: int = 36  # side of the square around eyes and mouth that is painted, of 64


@dataclass(frozen=True, slots=True)
class AudioConfig(_Section):
    """Log-mel spectrogram and the causal convolutions above it."""

    mels: int = 80
    width: int = 224
    token_dim: int = 96
    margin_frames: int = 2  # EMO's m: tokens of frames -m..+m are seen by each frame


@dataclass(frozen=True, slots=True)
class DenoiserConfig(_Section):
    """The backbone: two resolutions, five attention sites."""

    channels: int = 4  # pose and detail of the latent's two, see `network.EmoNetwork.split`
    widths: tuple[int, int] = (48, 96)
    head_dim: int = 24
    temb: int = 192
    motion_frames: int = 2
    speed_buckets: int = 9


@dataclass(frozen=True, slots=True)
class SamplerConfig(_Section):
    """Few-step sampling: noise levels from 1 (pure noise) down."""

    steps: int = 2
    second_level: float = 0.6
    motion_noise: float = 0.05  # of motion frames, to emo-tiny; a unet is told there is none
    shared_noise: float = 0.9  # of its variance, by all frames of a stream; what is left flickers
    noise_limit: float = 0.0  # first noise is cut off at plus and minus this; 0 leaves it whole
    path: str = "cosine"  # or "linear": Stable Diffusion's timesteps, see `schedule`
    guidance: float = 1.0  # classifier-free; 1 runs the conditional pass alone
    guide: str = "two-pass"  # or "fused", "self-negative": see `unet.network`

    def __post_init__(self) -> None:
        if not 0 <= self.shared_noise <= 1:
            raise ConfigError(f"sampler.shared_noise is from 0 to 1, not {self.shared_noise}")
        _one_of("sampler.path", self.path, ("cosine", "linear"))
        _one_of("sampler.guide", self.guide, ("two-pass", "fused", "self-negative"))


@dataclass(frozen=True, slots=True)
class UnetConfig(_Section):
    """The networks of `emo-sd15`: a UNet of Stable Diffusion 1.5's form with EMO's modules in it.

    The defaults are the layout of Hallo v1. In EchoMimic's the voice takes the place of face
    tokens: there are no modules for it, no identity, and no motion frames.
    """

    channels: int = 4  # of the latent
    widths: tuple[int, ...] = (320, 640, 1280, 1280)  # at 1, 1/2, 1/4 and 1/8 of the latent's side
    attend: tuple[bool, ...] = (True, True, True, False)  # widths that have attention
    layers: int = 2  # per width on the way down; one more on the way up
    heads: int = 8
    groups: int = 32
    token_dim: int = 768  # of face and audio tokens
    face_dim: int = 512  # of the identity embedding
    face_tokens: int = 4  # none: no identity, and ReferenceNet attends to itself alone
    audio_layers: int = 12  # hidden layers of the speech encoder
    audio_dim: int = 768  # of each
    audio_hidden: int = 512
    audio_tokens: int = 32  # per frame
    voice: str = "modules"  # or "attention": features are the tokens, heard where faces else are
    audio_gain: float = 1.0  # of features that are tokens
    audio_scales: tuple[float, ...] = (1.0, 1.0, 1.0)  # of pose, face and lips
    locator: tuple[int, ...] = (16, 32, 64, 128)
    locator_channels: int = 3  # of the picture of where the face is
    motion_frames: int = 2  # by ReferenceNet, in front of the new ones
    overlap_frames: int = 0  # instead: the last frames, denoised again with the new ones
    first_motion: str = "portrait"  # before the first chunk; or "zeros", as the paper
    max_frames: int = 32  # motion frames and new frames share these positions in time
    unattended_motion: bool = False  # time modules beside no attention: kept, and not run
    speed: bool = False
    speed_dim: int = 128

    def __post_init__(self) -> None:
        if len(self.widths) != len(self.attend):
            raise ConfigError("unet.attend needs one entry for each of unet.widths")
        if len(self.audio_scales) != 3:
            raise ConfigError("unet.audio_scales are three: pose, face and lips")
        _one_of("unet.first_motion", self.first_motion, ("portrait", "zeros"))
        _one_of("unet.voice", self.voice, ("modules", "attention"))
        if self.voice == "attention" and (self.face_tokens or self.token_dim != self.audio_dim):
            raise ConfigError(
                "unet.voice attention takes the place of face tokens: "
                "face_tokens must be 0, and token_dim that of the features, audio_dim"
            )
        if self.motion_frames and self.overlap_frames:
            raise ConfigError("unet has motion_frames or overlap_frames, not both")
        for width in self.widths:
            if width % self.heads or width % self.groups:
                raise ConfigError(
                    f"unet.widths: {width} does not divide into {self.heads} heads "
                    f"and {self.groups} groups"
                )


@dataclass(frozen=True, slots=True)
class PartsConfig(_Section):
    """What a preset with a unet is made of: kinds of added weights, or what needs none of them.

    Those are the two of `unet.miniature`: ``mels``, which has no weights, and ``patches``, whose
    weights lie with the UNets' beside the preset.
    """

    network: str = ""  # the UNets; empty: the weights lie beside the preset, as for emo-tiny
    voice: str = "wav2vec2"  # or whisper-tiny, or mels
    encoder: str = "kl-vae"  # of the portrait, once a stream; or taesd, or patches
    decoder: str = "kl-vae"  # of every frame; taesd is eighteen times cheaper
    folder: str = "var/weights"  # where `emolive weights add` put them


@dataclass(frozen=True, slots=True)
class RuntimeConfig(_Section):
    """How a unet runs. None of this changes its pictures by more than its precision does."""

    device: str = "auto"  # cuda where there is one, otherwise cpu
    dtype: str = "auto"  # of the UNets: bfloat16 on cuda, otherwise float32
    channels_last: bool = False  # maps in memory as cuDNN likes them
    compile: bool = False  # torch.compile, block by block: minutes at the start
    cuda_graphs: bool = False  # one launch a step instead of thousands

    def __post_init__(self) -> None:
        _one_of("runtime.device", self.device, ("auto", "cpu", "cuda"))
        _one_of("runtime.dtype", self.dtype, ("auto", "float32", "bfloat16"))


@dataclass(frozen=True, slots=True)
class ModelConfig(_Section):
    """A whole preset.

    With a section `unet` it is of Stable Diffusion's size, and `parts` and `runtime` say what it is
    made of and how it runs; without one it is of `emo-tiny`'s.
    """

    name: str = "emo-tiny"
    geometry: WindowGeometry = field(default_factory=WindowGeometry)
    codec: CodecConfig = field(default_factory=CodecConfig)
    audio: AudioConfig = field(default_factory=AudioConfig)
    denoiser: DenoiserConfig = field(default_factory=DenoiserConfig)
    sampler: SamplerConfig = field(default_factory=SamplerConfig)
    unet: UnetConfig | None = None  # in place of codec and denoiser: `realtime_model.unet`
    parts: PartsConfig | None = None
    runtime: RuntimeConfig | None = None

    def __post_init__(self) -> None:
        if self.unet is not None:
            return
        foreign = {
            "parts": self.parts is not None,
            "runtime": self.runtime is not None,
            "sampler.guidance": self.sampler.guidance != 1,
            "sampler.guide": self.sampler.guide != "two-pass",
            "sampler.path": self.sampler.path != "cosine",
        }
        for key, given in foreign.items():
            if given:
                raise ConfigError(
                    f"{key} is for presets with a section unet, and {self.name} has none: remove "
                    "it. This network was trained on the cosine path with its guidance inside, "
                    "and runs in float32 on the processor"
                )

    @property
    def motion_frames(self) -> int:
        """How many of the last latents the next chunk is shown."""
        return self.overlap_frames or (self.unet or self.denoiser).motion_frames

    @property
    def overlap_frames(self) -> int:
        """How many of those are denoised again in front of it: all, or none."""
        return 0 if self.unet is None else self.unet.overlap_frames

    @property
    def is_one_shape(self) -> bool:
        """Whether streams take turns: what was compiled or recorded is so for one stream.

        For each other number of streams it would be made anew, in the middle of a call; and a
        network of this size gains nothing from larger batches.
        """
        return self.runtime is not None and (self.runtime.compile or self.runtime.cuda_graphs)

    def plain(self) -> dict[str, Any]:
        """Return nested dictionaries that `read` takes back."""
        return dataclasses.asdict(self)


def _one_of(key: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ConfigError(f"{key} is {', '.join(known[:-1])} or {known[-1]}, not {value}")


def _geometry(values: Mapping[str, Any], where: str) -> WindowGeometry:
    try:
        return WindowGeometry(**values)
    except TypeError as exc:
        raise ConfigError(f"{where}: {exc}") from exc


_READERS: dict[str, Callable[[Mapping[str, Any], str], Any]] = {
    "geometry": _geometry,
    "codec": CodecConfig.read,
    "audio": AudioConfig.read,
    "denoiser": DenoiserConfig.read,
    "sampler": SamplerConfig.read,
    "unet": UnetConfig.read,
    "parts": PartsConfig.read,
    "runtime": RuntimeConfig.read,
}

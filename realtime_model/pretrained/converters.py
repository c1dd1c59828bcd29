"""From a published file to the tensors and sizes this project keeps, one converter per kind.

A converter renames keys, leaves out what nothing here uses, and compares the rest, key by key and
shape by shape, with the network it is for. A kind without a converter cannot be added yet.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module

import torch
from torch import Tensor, nn

from realtime_model.errors import CheckpointError
from realtime_model.pretrained.networks import Config, builder
from realtime_model.pretrained.reading import Checkpoint


@dataclass(frozen=True, slots=True)
class Converted:
    """What is kept of a download.

    Attributes:
        tensors: by the names of the network they are for.
        config: sizes of that network.
        left_out: keys of the file that nothing here uses.
    """

    tensors: dict[str, Tensor]
    config: Config
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Converter:
    """How one kind is read.

    Attributes:
        files: names a file may have, the best first, by part; see `reading.read_checkpoint`.
        convert: raises `CheckpointError` for a file that does not fit.
    """

    files: Mapping[str, tuple[str, ...]]
    convert: Callable[[Checkpoint], Converted]


def fit(source: Checkpoint, tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    """Compare tensors with those of a network (which may lie on the meta device).

    Raises:
        CheckpointError: naming file, first key, number of keys, and what to do.
    """
    missing = sorted(wanted.keys() - tensors.keys())
    extra = sorted(tensors.keys() - wanted.keys())
    if len(missing) == len(wanted):
        raise CheckpointError(
            f"{source.path} holds none of the {len(wanted)} tensors this kind has "
            f"(such as {missing[0]}): it is another model, or in another layout"
        )
    if missing:
        raise CheckpointError(
            f"{source.path} lacks {len(missing)} of {len(wanted)} tensors, first {missing[0]}: "
            "download it again, or another file of the same page"
        )
    if extra:
        raise CheckpointError(
            f"{source.path} has {len(extra)} tensors this kind does not have, first {extra[0]}: "
            "it is another model or version"
        )
    for key, value in tensors.items():
        if value.shape != wanted[key].shape:
            raise CheckpointError(
                f"{source.path}: {key} is {tuple(value.shape)}, not {tuple(wanted[key].shape)}: "
                "the model has another size; keep its config.json beside it"
            )
        if not value.is_floating_point():
            raise CheckpointError(f"{source.path}: {key} is {value.dtype}, not a float")


def _by_names(kind: str, rename: Callable[[str], str | None]) -> Callable[[Checkpoint], Converted]:
    """A converter that only renames; a key renamed to None is left out."""

    def convert(source: Checkpoint) -> Converted:
        config, build = builder(kind, source.config)
        with torch.device("meta"):
            network: nn.Module = build()
        named = {key: rename(key) for key in source.tensors}
        tensors = {new: source.tensors[old] for old, new in named.items() if new is not None}
        fit(source, tensors, network.state_dict())
        return Converted(tensors, config, tuple(key for key, new in named.items() if new is None))

    return convert


def _by_map(module: str, function: str) -> Callable[[Checkpoint], Converted]:
    """A converter that a module of `realtime_model.unet` has; it loads diffusers."""

    def convert(source: Checkpoint) -> Converted:
        rename = getattr(import_module(f"realtime_model.unet.{module}"), function)
        try:
            return Converted(rename(source.tensors), {})
        except CheckpointError as exc:
            raise CheckpointError(f"{source.path}: {exc}") from exc

    return convert


def _renamed(key: str, rules: Mapping[str, str]) -> str:
    for pattern, new in rules.items():
        key = re.sub(pattern, new, key)
    return key


def _kl_name(key: str) -> str:
    """Files from before diffusers 0.18 name the attention of the middle block otherwise."""
    rules = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
    return _renamed(
        key, {rf"(mid_block\.attentions\.0\.){k}\.": rf"\1{v}." for k, v in rules.items()}
    )


_WAV2VEC2_UNUSED = re.compile(r"lm_head\.|masked_spec_embed|quantizer\.|project_(hid|q)\.")


def _wav2vec2_name(key: str) -> str | None:
    key = key.removeprefix("wav2vec2.")
    if _WAV2VEC2_UNUSED.match(key):
        return None
    # The two factors of weight normalisation, as torch names them since 2.0.
    rules = {
        r"(pos_conv_embed\.conv)\.weight_g$": r"\1.parametrizations.weight.original0",
        r"(pos_conv_embed\.conv)\.weight_v$": r"\1.parametrizations.weight.original1",
    }
    return _renamed(key, rules)


_OPENAI_WHISPER = {
    r"^blocks\.": "layers.",
    r"\.attn\.query\.": ".self_attn.q_proj.",
    r"\.attn\.key\.": ".self_attn.k_proj.",
    r"\.attn\.value\.": ".self_attn.v_proj.",
    r"\.attn\.out\.": ".self_attn.out_proj.",
    r"\.attn_ln\.": ".self_attn_layer_norm.",
    r"\.mlp\.0\.": ".fc1.",
    r"\.mlp\.2\.": ".fc2.",
    r"\.mlp_ln\.": ".final_layer_norm.",
    r"^ln_post\.": "layer_norm.",
    r"^positional_embedding$": "embed_positions.weight",
}


def _whisper_name(key: str) -> str | None:
    """Both layouts, that of the hub and that of OpenAI's own file; only the encoder is used."""
    key = key.removeprefix("model.")
    if key.startswith(("decoder.", "proj_out.")):
        return None
    return _renamed(key.removeprefix("encoder."), _OPENAI_WHISPER)


def _same(key: str) -> str:
    return key


def _echomimic(variant: str) -> Converter:
    """Its four files; of a variant two are its own, and two are shared."""
    files = {
        "reference_unet": "reference_unet.pth",
        "denoising_unet": f"denoising_unet{variant}.pth",
        "motion_module": f"motion_module{variant}.pth",
        "face_locator": "face_locator.pth",
    }
    parts = {part: (name,) for part, name in files.items()}
    return Converter(parts, _by_map("echomimic", "convert"))


_DIFFUSERS = ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin")
_TRANSFORMERS = ("model.safetensors", "pytorch_model.bin")

CONVERTERS: dict[str, Converter] = {
    "hallo": Converter({"": ("hallo/net.pth",)}, _by_map("hallo", "convert")),
    "echomimic": _echomimic(""),
    "echomimic-acc": _echomimic("_acc"),
    "sd15-unet": Converter(
        {"": tuple(f"unet/{name}" for name in _DIFFUSERS)},
        _by_map("initial", "from_stable_diffusion"),
    ),
    "animatediff": Converter(
        {"": ("mm_sd_v15_v2.ckpt", *_DIFFUSERS)}, _by_map("initial", "from_animatediff")
    ),
    "kl-vae": Converter({"": _DIFFUSERS}, _by_names("kl-vae", _kl_name)),
    "taesd": Converter({"": _DIFFUSERS}, _by_names("taesd", _same)),
    "wav2vec2": Converter({"": _TRANSFORMERS}, _by_names("wav2vec2", _wav2vec2_name)),
    "whisper-tiny": Converter(
        {"": (*_TRANSFORMERS, "audio_processor/whisper_tiny.pt", "tiny.pt")},
        _by_names("whisper-tiny", _whisper_name),
    ),
}
"""Kinds that can be added. A new one is one line here."""


def converter(kind: str) -> Converter:
    """Return the converter of a kind.

    Raises:
        CheckpointError: this version cannot read the kind.
    """
    try:
        return CONVERTERS[kind]
    except KeyError:
        raise CheckpointError(
            f"this version cannot read {kind} yet; it reads {', '.join(CONVERTERS)}"
        ) from None

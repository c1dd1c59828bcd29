"""Published files become the tensors of a network; what does not fit is named."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from realtime_model.config import UnetConfig
from realtime_model.errors import CheckpointError
from realtime_model.pretrained.converters import CONVERTERS, converter
from realtime_model.pretrained.kinds import KINDS
from realtime_model.pretrained.networks import builder
from realtime_model.pretrained.reading import Checkpoint, read_checkpoint
from realtime_model.unet import echomimic, hallo
from tests.unit.realtime_model.pretrained.conftest import SMALL, small_network

Published = Callable[[str], dict[str, Tensor]]


def read(kind: str, tensors: dict[str, Tensor]) -> Checkpoint:
    return Checkpoint(Path("model.safetensors"), tensors, SMALL[kind])


@pytest.mark.parametrize("kind", SMALL)
def test_a_published_file_fills_its_network(kind: str, published: Published) -> None:
    converted = CONVERTERS[kind].convert(read(kind, published(kind)))
    wanted = small_network(kind).state_dict()
    assert converted.tensors.keys() == wanted.keys()
    assert all(torch.equal(converted.tensors[key], wanted[key]) for key in wanted)
    assert len(converted.left_out) == {"wav2vec2": 2, "whisper-tiny": 2}.get(kind, 0)


# Counted by the classes of the libraries, and on the pages: 83.7 M, 2 x 1.22 M, 94.4 M; of
# whisper-tiny's 39 M the encoder has 8.2 M.
@pytest.mark.parametrize(
    ("kind", "tensors", "values"),
    [
        ("kl-vae", 248, 83_653_863),
        ("taesd", 134, 2_445_063),
        ("wav2vec2", 210, 94_370_944),
        ("whisper-tiny", 67, 8_208_384),
    ],
)
def test_sizes_of_the_published_models(kind: str, tensors: int, values: int) -> None:
    with torch.device("meta"):
        state = builder(kind, None)[1]().state_dict()
    assert len(state) == tensors
    assert sum(value.numel() for value in state.values()) == values
    converted = CONVERTERS[kind].convert(Checkpoint(Path("whole.safetensors"), dict(state)))
    assert converted.tensors.keys() == state.keys()


def test_old_names_of_the_autoencoders_attention_are_known(published: Published) -> None:
    names = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    old = {}
    for key, value in published("kl-vae").items():
        for new, name in names.items():
            key = key.replace(f"attentions.0.{new}.", f"attentions.0.{name}.")
        old[key] = value
    assert "encoder.mid_block.attentions.0.proj_attn.weight" in old
    converted = CONVERTERS["kl-vae"].convert(read("kl-vae", old))
    wanted = small_network("kl-vae").state_dict()
    assert all(torch.equal(converted.tensors[key], wanted[key]) for key in wanted)


def test_openais_own_file_of_whisper_is_known(published: Published) -> None:
    names = {
        "layers.": "blocks.",
        "self_attn.q_proj": "attn.query",
        "self_attn.k_proj": "attn.key",
        "self_attn.v_proj": "attn.value",
        "self_attn.out_proj": "attn.out",
        "self_attn_layer_norm": "attn_ln",
        "fc1": "mlp.0",
        "fc2": "mlp.2",
        "final_layer_norm": "mlp_ln",
        "embed_positions.weight": "positional_embedding",
    }
    wanted, old = small_network("whisper-tiny").state_dict(), {}
    for key, value in wanted.items():
        key = "ln_post." + key.split(".")[1] if key.startswith("layer_norm.") else key
        for new, name in names.items():
            key = key.replace(new, name)
        old[f"encoder.{key}"] = value
    old["decoder.token_embedding.weight"] = torch.zeros(2)
    converted = CONVERTERS["whisper-tiny"].convert(read("whisper-tiny", old))
    assert converted.tensors.keys() == wanted.keys()
    assert all(torch.equal(converted.tensors[key], wanted[key]) for key in wanted)


@pytest.mark.parametrize("kind", SMALL)
def test_missing_tensors_are_counted_and_named(kind: str, published: Published) -> None:
    tensors = published(kind)
    used = [key for key in tensors if "conv" in key and key.endswith("weight")]
    for key in used[:2]:
        del tensors[key]
    total = len(small_network(kind).state_dict())
    with pytest.raises(CheckpointError, match=rf"model\.safetensors lacks 2 of {total} tensors"):
        CONVERTERS[kind].convert(read(kind, tensors))


@pytest.mark.parametrize("kind", SMALL)
def test_unknown_tensors_are_counted_and_named(kind: str, published: Published) -> None:
    tensors = published(kind) | {"third_eye.weight": torch.zeros(1)}
    with pytest.raises(CheckpointError, match=r"has 1 tensors.*first third_eye\.weight"):
        CONVERTERS[kind].convert(read(kind, tensors))


@pytest.mark.parametrize("kind", SMALL)
def test_another_size_is_named_with_both_shapes(kind: str, published: Published) -> None:
    tensors = published(kind)
    key = next(key for key in tensors if "conv" in key and key.endswith("weight"))
    shape = tuple(tensors[key].shape)
    tensors[key] = tensors[key][:-1]
    with pytest.raises(CheckpointError) as caught:
        CONVERTERS[kind].convert(read(kind, tensors))
    assert str(shape) in str(caught.value)
    assert str((shape[0] - 1, *shape[1:])) in str(caught.value)


@pytest.mark.parametrize("kind", SMALL)
def test_another_model_altogether_is_recognised(kind: str) -> None:
    with pytest.raises(CheckpointError, match="another model, or in another layout"):
        CONVERTERS[kind].convert(read(kind, {"time_embedding.weight": torch.zeros(1)}))


def full_size(kind: str) -> dict[str, Tensor]:
    """Names and shapes of a published file of `emo-sd15`, without values."""
    if kind.startswith("echomimic"):
        assert echomimic.ACC.unet is not None
        shapes = echomimic.layout(echomimic.ACC.unet)
        return {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}
    start = "" if kind == "hallo" else "denoising_unet."
    motion, audio = ".motion_modules.", ".audio_modules."
    belongs: Callable[[str], bool] = {
        "hallo": lambda key: True,
        "sd15-unet": lambda key: motion not in key and audio not in key,
        "animatediff": lambda key: motion in key,
    }[kind]
    return {
        key.removeprefix(start): torch.empty(shape, device="meta")
        for key, shape in hallo.layout(UnetConfig()).items()
        if key.startswith(start) and belongs(key)
    }


@pytest.mark.parametrize(
    ("kind", "tensors"),
    [
        ("hallo", 2656),
        ("echomimic", 1860),
        ("echomimic-acc", 1860),
        ("sd15-unet", 686),
        ("animatediff", 588),
    ],
)
def test_files_of_emo_sd15_are_converted_by_its_own_maps(kind: str, tensors: int) -> None:
    state = full_size(kind)
    assert len(state) == tensors
    converted = CONVERTERS[kind].convert(Checkpoint(Path("net.pth"), state))
    assert converted.tensors
    missing = next(iter(state))
    del state[missing]
    with pytest.raises(CheckpointError, match=rf"net\.pth: .*{re.escape(missing)}"):
        CONVERTERS[kind].convert(Checkpoint(Path("net.pth"), state))


@pytest.fixture
def four_files(tmp_path: Path) -> Path:
    """A folder with the files of both variants of EchoMimic, of one tensor each."""
    for number, name in enumerate(sorted(echomimic.PARTS)):
        torch.save({"a": torch.full((300,), float(number))}, tmp_path / f"{name}.pth")
        torch.save({"a": torch.full((300,), 10.0 + number)}, tmp_path / f"{name}_acc.pth")
    return tmp_path


@pytest.mark.parametrize(
    ("kind", "values"), [("echomimic", (0, 1, 2, 3)), ("echomimic-acc", (10, 1, 12, 3))]
)
def test_the_files_of_echomimic_are_read_by_part(
    kind: str, values: tuple[float, ...], four_files: Path
) -> None:
    found = read_checkpoint(four_files, CONVERTERS[kind].files).tensors
    assert {key: float(v[0]) for key, v in found.items()} == {
        f"{part}.a": value
        for part, value in zip(
            ("denoising_unet", "face_locator", "motion_module", "reference_unet"),
            values,
            strict=True,
        )
    }
    with pytest.raises(CheckpointError, match=r"lacks 1860 tensors.*adds 4 tensors"):
        CONVERTERS[kind].convert(Checkpoint(four_files, found))


def test_one_bad_file_of_echomimics_four_is_named(four_files: Path) -> None:
    files = CONVERTERS["echomimic-acc"].files
    with pytest.raises(CheckpointError, match=r"one file, but this kind has 4: name the folder"):
        read_checkpoint(four_files / "denoising_unet_acc.pth", files)
    motion = four_files / "motion_module_acc.pth"
    raw = motion.read_bytes()
    motion.write_bytes(raw[: len(raw) // 2])
    with pytest.raises(CheckpointError, match=r"motion_module_acc\.pth is cut off"):
        read_checkpoint(four_files, files)
    torch.save({"a": four_files}, motion)  # a path is no tensor
    with pytest.raises(CheckpointError, match=r"motion_module_acc\.pth holds more than tensors"):
        read_checkpoint(four_files, files)
    torch.save({"a": 3.0}, motion)
    with pytest.raises(CheckpointError, match=r"motion_module_acc\.pth: 'a' is a float"):
        read_checkpoint(four_files, files)
    motion.unlink()
    with pytest.raises(CheckpointError, match=r"holds none of motion_module_acc\.pth"):
        read_checkpoint(four_files, files)


def test_whole_numbers_are_no_weights(published: Published) -> None:
    tensors = published("taesd")
    tensors["decoder.layers.0.weight"] = tensors["decoder.layers.0.weight"].long()
    with pytest.raises(CheckpointError, match=r"decoder\.layers\.0\.weight is torch\.int64"):
        CONVERTERS["taesd"].convert(read("taesd", tensors))


@pytest.mark.parametrize(
    ("kind", "config", "words"),
    [
        ("kl-vae", {"_class_name": "AutoencoderTiny"}, "describes a AutoencoderTiny"),
        ("wav2vec2", {"model_type": "hubert"}, "describes a hubert"),
        ("wav2vec2", {"conv_dim": [8]}, "sizes that no wav2vec2 can have"),
        ("whisper-tiny", {"d_model": "wide"}, "d_model is 'wide'"),
        ("kl-vae", {"norm_num_groups": 7}, "sizes that no kl-vae can have"),
    ],
)
def test_a_configuration_of_something_else_is_refused(
    kind: str, config: dict[str, object], words: str
) -> None:
    with pytest.raises(CheckpointError, match=words):
        CONVERTERS[kind].convert(Checkpoint(Path("a"), {}, config))


def test_only_sizes_are_taken_from_a_configuration() -> None:
    asked = SMALL["wav2vec2"] | {"attn_implementation": "somebody/kernels", "auto_map": {"a": "b"}}
    config, _ = builder("wav2vec2", asked)
    assert config["hidden_size"] == 24
    assert not {"attn_implementation", "auto_map", "model_type"} & config.keys()


def test_every_kind_has_a_converter_and_another_name_says_so() -> None:
    assert CONVERTERS.keys() == KINDS.keys()
    with pytest.raises(CheckpointError, match="cannot read sora yet"):
        converter("sora")

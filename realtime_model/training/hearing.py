"""Teaching the audio encoder before any picture is made: from sound alone, predict the mouth.

If the features cannot say how far the mouth is open on a voice they never heard, no diffusion above
them can.
"""

import json
import math
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor, nn

from realtime_model.config import AudioConfig
from realtime_model.errors import ConfigError
from realtime_model.features import MOUTH_SHAPES, SHAPE_SCALE, AudioEncoder
from realtime_model.rig import arkit_labels, lip_gains
from realtime_model.training.correlation import correlation
from realtime_model.training.loop import Loop, Step
from realtime_model.training.rendering import Clip
from realtime_model.training.speech.augment import AugmentOdds, augmented

JAW = arkit_labels().index("jawOpen")
# Log-mel of digital silence, see `features.LogMel`.
QUIET = (math.log(1e-5) + 5) / 4
_SPAN = 60  # frames a training row
_SEEN_SCALE = np.array([0.035, 0.012], np.float32)
"""Typical deviation of opening and width of a mouth that speaks, in face widths."""


@dataclass(frozen=True, slots=True)
class HearingRecipe:
    """Constants of the training.

    Attributes:
        start: preset whose ear goes on learning; none: from nothing.
        kept: share of those weights in the finished ear, the rest being what was learned. Voices
            that the new clips lack are not forgotten so. Source: Wortsman 2022, arXiv:2109.01903.
        batch: spans a step.
        variants: mishandled takes of each clip.
        stretch: how much faster or slower than it was a clip may be heard, as a share.
        colour: deviation of a microphone's response, a smooth curve over the bands, in log-mels.
        most_of_one: share of what is heard that one source of the corpus may have at most.
        seen_weight: how much a wrong opening and width of the mouth count, beside its shapes.
    """

    start: str = ""
    kept: float = 0.0
    steps: int = 4000
    batch: int = 24
    lr: float = 2e-3
    variants: int = 3
    stretch: float = 0.2
    colour: float = 0.25
    most_of_one: float = 0.3
    seen_weight: float = 2.0
    seed: int = 0

    def __post_init__(self) -> None:
        for key in ("kept", "most_of_one"):
            share = getattr(self, key)
            if not 0 <= share <= 1:
                raise ConfigError(f"listener.{key} is a share, from 0 to 1, not {share}")


class Listener(nn.Module):
    """Audio encoder, asked for the mouth's shapes."""

    def __init__(self, config: AudioConfig) -> None:
        super().__init__()
        self.margin = config.margin_frames
        self.encoder = AudioEncoder(config)

    def forward(self, mel: Tensor) -> Tensor:
        """Shapes (b, frames - 2m, shapes) of log-mels (b, 4 * frames, mels)."""
        return self.encoder.mouth(self.encoder.from_mel(mel))


@dataclass(frozen=True, slots=True)
class HeardClip:
    """One utterance as the encoder hears it.

    Attributes:
        name: of the clip.
        mels: log-mels as recorded, then as mishandled, (4 * t, mels) each.
        mouth: activations, (t, shapes).
    """

    name: str
    mels: tuple[NDArray[np.float16], ...]
    mouth: NDArray[np.float32]


def hear(
    clips: Sequence[Clip], config: AudioConfig, *, variants: int, seed: int
) -> list[HeardClip]:
    """Compute the log-mels of all clips, the first clean, the others after random mishaps."""
    mel = AudioEncoder(config).mel
    heard = []
    for clip, takes in sound_takes(clips, variants=variants, seed=seed):
        with torch.inference_mode():
            mels = tuple(
                mel(torch.from_numpy(t)[None])[0].numpy().astype(np.float16) for t in takes
            )
        heard.append(HeardClip(clip.name, mels, clip.mouth[:, list(MOUTH_SHAPES)]))
    return heard


def sound_takes(
    clips: Sequence[Clip], *, variants: int, seed: int
) -> Iterator[tuple[Clip, list[NDArray[np.float32]]]]:
    """Yield each clip's sound as recorded, then after random mishaps, float32 (640 * t,) each."""
    for clip in clips:
        # Of its own: a clip is heard alike whatever else is in the corpus.
        rng = np.random.default_rng((seed, zlib.crc32(clip.name.encode())))
        frames = len(clip.mouth)
        samples = np.zeros(frames * 640, np.float32)
        samples[: min(len(clip.audio), len(samples))] = clip.audio[: len(samples)] / 32768.0
        takes = [samples]
        for _ in range(variants):
            other = clips[int(rng.integers(len(clips)))].audio.astype(np.float32) / 32768.0
            takes.append(augmented(samples, rng, others=[other], odds=AugmentOdds()))
        yield clip, takes


def hear_once(
    clips: Sequence[Clip], config: AudioConfig, cache: Path, *, variants: int, seed: int
) -> list[HeardClip]:
    """`hear`, kept in a file: it takes minutes, and every training that resumes needs it again."""
    lengths = np.array([len(c.mouth) for c in clips])
    names = [c.name for c in clips]
    asked = json.dumps([names, lengths.tolist(), config.mels, variants, seed])
    if cache.is_file():
        with np.load(cache) as file:
            if str(file["asked"]) == asked:
                mels = np.split(file["mels"], 4 * lengths.cumsum()[:-1], 1)
                mouths = np.split(file["mouths"], lengths.cumsum()[:-1])
                return [
                    HeardClip(name, tuple(takes), mouth)
                    for name, takes, mouth in zip(names, mels, mouths, strict=True)
                ]
    with Console(stderr=True).status(f"listening to {len(clips)} clips"):
        heard = hear(clips, config, variants=variants, seed=seed)
    cache.parent.mkdir(parents=True, exist_ok=True)
    part = cache.with_suffix(".part")
    with part.open("wb") as target:
        np.savez(
            target,
            asked=asked,
            mels=np.concatenate([np.stack(c.mels) for c in heard], 1),
            mouths=np.concatenate([c.mouth for c in heard]),
        )
    part.replace(cache)
    return heard


def train_listener(
    listener: Listener,
    train: Sequence[HeardClip],
    heldout: Sequence[HeardClip],
    recipe: HearingRecipe,
    out: Path,
) -> None:
    """Train to the end of the recipe, resuming from ``out``."""
    rng = np.random.default_rng(recipe.seed)
    margin, gains = listener.margin, torch.from_numpy(_seen_gains())
    shares = shares_of(train, recipe.most_of_one)

    def step(_: int) -> Step:
        mels, mouths = [], []
        for number in rng.choice(len(train), recipe.batch, p=shares):
            clip = train[number]
            mel = clip.mels[rng.integers(len(clip.mels))].astype(np.float32)
            start = int(rng.integers(-20, max(1, len(clip.mouth) - 30)))
            long = round(_SPAN * (1 + rng.uniform(-recipe.stretch, recipe.stretch)))
            heard = other_throat(span(mel, 4 * start, 4 * long), rng)
            heard += rng.normal(0, 0.15) + recipe.colour * response(heard.shape[1], rng)
            mels.append(stretched(heard, 4 * _SPAN))
            mouths.append(stretched(span(clip.mouth, start, long, quiet=0.0), _SPAN))
        guess = listener(torch.from_numpy(np.stack(mels)).float())
        truth = torch.from_numpy(np.stack(mouths))[:, margin:-margin]
        skip = 10  # the first frames of a row lack their past
        error = guess[:, skip:] - truth[:, skip:]
        shapes, visible = _size(error / SHAPE_SCALE), _size(error @ gains)
        loss = shapes + recipe.seen_weight * visible
        return Step(loss, {"shapes": shapes, "seen": visible})

    loop = Loop(listener, out, steps=recipe.steps, lr=recipe.lr, name="listener")
    loop.run(step, check=lambda _: score(listener, heldout), check_every=500)


def shares_of(clips: Sequence[HeardClip], most_of_one: float) -> NDArray[np.float64]:
    """How often each clip is heard: as long as it is, but one source never more than its share.

    A reader with an hour of his own would teach how he speaks, not how people do.
    """
    lengths = np.array([len(clip.mouth) for clip in clips], np.float64)
    names = [clip.name.rpartition("-")[0] for clip in clips]
    whole = {name: lengths[[n == name for n in names]].sum() for name in set(names)}
    limit = most_of_one * lengths.sum()
    shares = lengths * [min(1.0, limit / whole[name]) for name in names]
    return np.asarray(shares / shares.sum())


def _size(error: Tensor) -> Tensor:
    return F.smooth_l1_loss(error, torch.zeros_like(error))


def _seen_gains() -> NDArray[np.float32]:
    """From shapes to what is seen of a mouth, opening and width in deviations, (shapes, 2).

    Thirty shapes are thirty errors of equal weight, and three of them make most of the opening.
    """
    return np.asarray(lip_gains()[list(MOUTH_SHAPES)] / _SEEN_SCALE, np.float32)


@torch.inference_mode()
def score(listener: Listener, clips: Sequence[HeardClip]) -> dict[str, float]:
    """Correlation of jaw, opening and width with the curves, and of the jaw with another clip's."""
    listener.eval()
    margin = listener.margin
    jaw = np.eye(len(MOUTH_SHAPES), dtype=np.float32)[:, [MOUTH_SHAPES.index(JAW)]]
    seen = np.concatenate([jaw, _seen_gains()], 1)
    own, other = [], []
    truths = [c.mouth[margin:-margin] @ seen for c in clips]
    for number, clip in enumerate(clips):
        guess = listener(torch.from_numpy(clip.mels[0].astype(np.float32))[None])[0].numpy() @ seen
        truth = truths[number]
        own.append([correlation(guess[:, i], truth[:, i]) for i in range(len(truth.T))])
        other.append(correlation(guess[:, 0], truths[(number + 1) % len(truths)][:, 0]))
    listener.train()
    found = dict(zip(("jaw", "opening", "width"), np.nanmean(own, 0).tolist(), strict=True))
    return found | {"jaw_shuffled": float(np.nanmean(other))}


def other_throat(mel: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """The same words from a vocal tract up to an eighth longer or shorter: mel bands move.

    A corpus has few voices and a microphone hears any. Source: vocal tract length perturbation,
    Jaitly and Hinton 2013, here on the mel axis.
    """
    bands = mel.shape[1]
    return _rows_at(mel.T, np.arange(bands) * rng.uniform(0.88, 1.12)).T


def stretched(x: NDArray[np.float32], length: int) -> NDArray[np.float32]:
    """The same course of things in ``length`` rows: faster or slower, straight between old rows."""
    return _rows_at(x, (np.arange(length) + 0.5) * len(x) / length - 0.5)


def _rows_at(x: NDArray[np.float32], at: NDArray[np.floating]) -> NDArray[np.float32]:
    """Rows of x at places between rows, straight from one to the next; beyond an end, the end."""
    at = np.clip(at, 0, len(x) - 1)
    low = at.astype(np.int64)
    share = (at - low).astype(np.float32)[:, None]
    return np.asarray(x[low] * (1 - share) + x[np.minimum(low + 1, len(x) - 1)] * share, np.float32)


def response(bands: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """A smooth random curve over the bands: four cosines, the finer the smaller."""
    waves = np.arange(1, 5)
    at = np.pi * np.outer((np.arange(bands) + 0.5) / bands, waves)
    return np.asarray(np.cos(at) @ (rng.normal(size=len(waves)) / np.sqrt(waves)), np.float32)


def span(
    x: NDArray[np.floating], start: int, length: int, quiet: float = QUIET
) -> NDArray[np.float32]:
    """Rows start..start+length of x; where there are none, ``quiet``, the log-mel of silence."""
    out = np.full((length, *x.shape[1:]), quiet, np.float32)
    low, high = max(0, start), min(len(x), start + length)
    if high > low:
        out[low - start : high - start] = x[low:high]
    return out

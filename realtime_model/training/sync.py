"""A scorer of sync: it has learned which sound goes with which movement of the mouth.

Shown a second of a mouth and sound that is shifted against it, it says by how much. What a mouth
looks like does not matter to it, only opening and width over time, so films of any portrait can be
judged. Source of the idea: SyncNet, Chung and Zisserman, ACCV 2016, which sees pixels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from realtime_model.config import AudioConfig
from realtime_model.errors import CheckpointError
from realtime_model.features import AudioEncoder
from realtime_model.training.hearing import HeardClip, other_throat, span
from realtime_model.training.latents import Played
from realtime_model.training.loop import Loop, Step

REACH = 15  # frames of shift either way among which the right one must be found
_WINDOW = 25  # frames a verdict rests on
_WIDTH = 96
_CURVES = 2  # opening and width of the mouth
_TEMPERATURE = 0.07
_ROW = 100  # frames of a training row
_MOVES = 0.25  # of a clip's deviation: below it a mouth is at rest and nothing can be told

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class SyncRecipe:
    """Constants of the training."""

    steps: int = 600
    batch: int = 16
    lr: float = 2e-3
    seed: int = 0


class SyncScorer(nn.Module):
    """Embeds sound and mouth frame by frame, so that what belongs together lies close.

    Attributes:
        mels: bands of the spectrogram it hears.
    """

    def __init__(self, mels: int = 80) -> None:
        super().__init__()
        self.mels = mels
        self.sound = nn.Sequential(nn.Conv1d(mels, _WIDTH, 4, 4), nn.GELU(), *_context())
        self.mouth = nn.Sequential(nn.Conv1d(_CURVES, _WIDTH, 5, padding=2), nn.GELU(), *_context())

    def forward(self, mel: Tensor, mouth: Tensor) -> Tensor:
        """Likeness of each frame of a mouth with sound from `REACH` frames before to after it.

        Args:
            mel: log-mels (b, 4 * (t + 2 * REACH), mels).
            mouth: opening and width as from `steady`, (b, t, 2).

        Returns:
            Cosines, (b, t, 2 * REACH + 1).
        """
        sound = F.normalize(self.sound(mel.mT), dim=1)
        seen = F.normalize(self.mouth(mouth.mT), dim=1)
        shifted = sound.unfold(2, 2 * REACH + 1, 1)  # (b, c, t, shifts)
        return torch.einsum("bct,bcts->bts", seen, shifted)


def _context() -> list[nn.Module]:
    """What is seen around a frame: six frames either way."""
    convolutions = [nn.Conv1d(_WIDTH, _WIDTH, 5, padding=2) for _ in range(3)]
    return [convolutions[0], nn.GELU(), convolutions[1], nn.GELU(), convolutions[2]]


@dataclass(frozen=True, slots=True)
class Sync:
    """How well the mouth of a film fits its sound.

    Attributes:
        hits: share of the seconds of speech whose shift is found within one frame of none.
        offset_frames: median of the shifts found, positive when the mouth is late.
        windows: how many seconds of speech windows were judged; they overlap.
    """

    hits: float
    offset_frames: float
    windows: int


@torch.inference_mode()
def judge_sync(
    scorer: SyncScorer, samples: NDArray[np.int16], opening: Floats, width: Floats
) -> Sync | None:
    """Judge a film by its sound and what was read off its mouth; None if it never speaks.

    Args:
        scorer: trained.
        samples: int16 at 16 kHz.
        opening: of the mouth, (t,), in any unit.
        width: of the mouth, (t,), in any unit.
    """
    mouth = steady(np.stack([opening, width], 1))
    hearing = AudioEncoder(AudioConfig(mels=scorer.mels)).mel
    mel = hearing(torch.from_numpy(samples / np.float32(32_768))[None])[0]
    heard = span(mel.numpy(), -4 * REACH, 4 * (len(mouth) + 2 * REACH))
    likeness = scorer(torch.from_numpy(heard)[None], torch.from_numpy(mouth)[None])
    whole = F.avg_pool1d(likeness[0].T[None], _WINDOW, 1)[0].T.numpy()
    moving = mouth[:, 0].astype(np.float64)
    spread = np.array([moving[i : i + _WINDOW].std() for i in range(len(whole))])
    # Sound at a later place fits best: the mouth is ahead of it.
    shifts = REACH - whole[spread > _MOVES].argmax(1)
    if len(shifts) == 0:
        return None
    return Sync(float((np.abs(shifts) <= 1).mean()), float(np.median(shifts)), len(shifts))


def load_scorer(path: Path) -> SyncScorer:
    """The scorer that training left in a checkpoint.

    Raises:
        CheckpointError: the file is damaged.
    """
    try:
        average = torch.load(path, weights_only=True)["average"]
        scorer = SyncScorer(average["sound.0.weight"].shape[1])
        scorer.load_state_dict(average)
    except (RuntimeError, KeyError, EOFError, UnpicklingError) as exc:
        raise CheckpointError(f"{path} is damaged: remove it and train it again") from exc
    return scorer.eval().requires_grad_(False)


def steady(curves: NDArray[np.floating]) -> Floats:
    """Curves (t, 2) about their median, in deviations: portraits and readers become alike."""
    centred = curves - np.median(curves, 0)
    return np.asarray(centred / np.maximum(curves.std(0), 1e-4), np.float32)


def train_sync(
    scorer: SyncScorer,
    train: tuple[Sequence[Played], Sequence[HeardClip]],
    heldout: tuple[Sequence[Played], Sequence[HeardClip]],
    recipe: SyncRecipe,
    out: Path,
) -> dict[str, Tensor]:
    """Train on what the rig acted, to the end of the recipe; returns the averaged weights."""
    loop = Loop(scorer, out, steps=recipe.steps, lr=recipe.lr, name="sync", ema=0.99)
    draw, unheard = _drawer(*train), _drawer(*heldout)

    def check(_: int) -> dict[str, float]:
        rng = np.random.default_rng(1)
        with torch.inference_mode():
            found = [_compare(scorer.eval(), *unheard(rng, 8))[1] for _ in range(8)]
        scorer.train()
        return {"hits": float(torch.stack(found).mean())}

    rng = np.random.default_rng(recipe.seed + loop.step)

    def step(_: int) -> Step:
        loss, hits = _compare(scorer, *draw(rng, recipe.batch))
        return Step(loss, {"hits": hits})

    loop.run(step, check=check, check_every=200)
    return loop.average


def _compare(scorer: SyncScorer, mel: Tensor, mouth: Tensor) -> tuple[Tensor, Tensor]:
    """Loss of finding the right shift among all, and how often a second of the mouth finds it."""
    likeness = scorer(mel, mouth)
    pooled = F.avg_pool1d(likeness.mT, _WINDOW, 1).mT
    spread = mouth[..., 0].unfold(1, _WINDOW, 1).std(-1)
    moving = spread > _MOVES
    logits = pooled[moving] / _TEMPERATURE
    truth = torch.full((len(logits),), REACH)
    hits = ((logits.argmax(1) - REACH).abs() <= 1).float().mean()
    return F.cross_entropy(logits, truth), hits


Draw = Callable[[np.random.Generator, int], tuple[Tensor, Tensor]]


def _drawer(played: Sequence[Played], heard: Sequence[HeardClip]) -> Draw:
    """Return what draws rows: log-mels and the mouth they belong to, as noisy as it is read."""
    by_name = {clip.name: clip for clip in heard}
    long = [p for p in played if p.clip in by_name and len(p.lips) > _WINDOW and p.lips[:, 0].any()]
    curves = [steady(p.lips) for p in long]
    takes = [by_name[p.clip].mels for p in long]

    def draw(rng: np.random.Generator, rows: int) -> tuple[Tensor, Tensor]:
        mels, mouths = [], []
        for number in rng.integers(len(long), size=rows):
            mouth, take = curves[number], takes[number]
            start = int(rng.integers(max(1, len(mouth) - _ROW)))
            held = np.arange(start, start + _ROW).clip(0, len(mouth) - 1)
            mel = take[rng.integers(len(take))].astype(np.float32)
            heard = span(mel, 4 * (start - REACH), 4 * (_ROW + 2 * REACH))
            mels.append(other_throat(heard, rng) + rng.normal(0, 0.12))
            mouths.append(mouth[held] + rng.normal(0, rng.uniform(0, 0.3), (_ROW, _CURVES)))
        return (
            torch.from_numpy(np.stack(mels).astype(np.float32)),
            torch.from_numpy(np.stack(mouths).astype(np.float32)),
        )

    return draw

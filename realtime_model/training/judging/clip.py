"""Letting one portrait say one clip, and measuring what comes out."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime_model.contract import RgbImage
from realtime_model.face import FaceLandmarker
from realtime_model.generator import Generator
from realtime_model.portrait import FramedPortrait, frame_portrait
from realtime_model.training.correlation import correlation, lagged_correlation
from realtime_model.training.evaluation import Tracked, film, track
from realtime_model.training.identity import FaceEmbedder
from realtime_model.training.judging.ceiling import Played, play, rig_opening
from realtime_model.training.judging.figures import ClipFigures
from realtime_model.training.judging.lips import (
    CLOSING,
    MouthScale,
    closures,
    rounding,
    silent_frames,
    silent_opening,
    vowels_above,
)
from realtime_model.training.judging.picture import (
    background_change,
    flicker,
    seam_score,
    sharpness_ratio,
)
from realtime_model.training.motion import FPS, loudness_of
from realtime_model.training.rendering import Clip, Sitter
from realtime_model.training.speech.phones import Phone
from realtime_model.training.sync import Sync, SyncScorer, judge_sync

_FACE_EVERY = 12  # frames; an embedding takes most of a second
_REST_SAMPLES = 16_000  # one second
_SHEET_PX = 128
_SHEET_COLUMNS = 10


@dataclass(frozen=True, slots=True)
class Case:
    """Who says what: one row of the judgement.

    Attributes:
        style: kind of picture, as the manifest of the portraits says.
        phones: timed sounds of the clip; empty where the corpus does not know them.
        other: another clip, whose curve the mouth must not follow.
    """

    sitter: Sitter
    style: str
    clip: Clip
    phones: tuple[Phone, ...]
    other: Clip


@dataclass(frozen=True, slots=True)
class Curves:
    """What is drawn of a clip.

    Attributes:
        model: mouth opening in speaking ranges of the wider of the two, (t,).
        rig: the same off the rig's frames, (n,).
        rig_numbers: which frames these are, (n,).
        loudness: in [0, 1], (t,).
        closing_s: start and end of every p, b and m.
    """

    model: NDArray[np.float32]
    rig: NDArray[np.float32]
    rig_numbers: NDArray[np.int64]
    loudness: NDArray[np.float32]
    closing_s: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Judged:
    """One judged clip: figures, curves and a row of frames to look at, (h, w, 3)."""

    figures: ClipFigures
    curves: Curves
    sheet: RgbImage


@dataclass(frozen=True, slots=True)
class Readings:
    """What the landmarker read off the model's film and off the rig's."""

    model: Tracked
    rig: Played

    @property
    def scale(self) -> MouthScale:
        """Closed and open of the model's mouth while the rig acts, which says what closed is."""
        acted = int(self.rig.numbers[-1]) + 1
        return MouthScale.of(self.model.opening[:acted], self.rig.zero)

    @property
    def rig_scale(self) -> MouthScale:
        return MouthScale.of(self.rig.seen.opening, self.rig.zero)


@dataclass(frozen=True, slots=True)
class Judges:
    """Trained networks that look at films; what is None is left out.

    Attributes:
        embedder: tells who it is.
        scorer: tells whether sound and mouth belong together.
    """

    embedder: FaceEmbedder | None = None
    scorer: SyncScorer | None = None


def judge_all(model: Generator, cases: Sequence[Case], judges: Judges) -> Iterator[Judged]:
    """Judge every case; yields as it goes."""
    landmarker = FaceLandmarker()
    for number, case in enumerate(cases):
        yield judge(model, case, landmarker, judges, seed=number)


def judge(
    model: Generator,
    case: Case,
    landmarker: FaceLandmarker,
    judges: Judges,
    *,
    seed: int = 0,
) -> Judged:
    """Let a portrait say a clip and measure what comes out.

    Args:
        model: renders the film.
        case: who says what.
        landmarker: reads the films, the model's and the rig's.
        judges: look at what the landmarker cannot.
        seed: of the head's motion, in both films.
    """
    picture, clip = case.sitter.portrait.image, case.clip
    # Framed as the model does it, so that both films show the same pixels.
    portrait = frame_portrait(picture, landmarker)
    # Every film ends at rest: not every clip has a silence long enough to be judged.
    heard = np.concatenate([clip.audio, np.zeros(_REST_SAMPLES, np.int16)])
    frames = film(model, picture, heard, seed=seed)
    read = Readings(track(frames, landmarker), play(portrait, clip, landmarker, seed))
    who = _identity(portrait, frames, judges.embedder)
    fits = _fit(clip, read, judges.scorer)
    figures = _figures(case, portrait, frames, read, who, fits, model.geometry.hop_frames)
    return Judged(figures, _curves(case, read), contact_sheet(frames))


def _figures(
    case: Case,
    portrait: FramedPortrait,
    frames: NDArray[np.uint8],
    read: Readings,
    identity: tuple[float, float] | None,
    fits: tuple[Sync | None, Sync | None],
    hop_frames: int,
) -> ClipFigures:
    """All figures of a film (t, h, w, 3)."""
    seen, rig, phones = read.model, read.rig.seen, case.phones
    numbers, shown = np.arange(len(frames)), read.rig.numbers
    truth, foreign = rig_opening(portrait, case.clip), rig_opening(portrait, case.other)
    lips, lag = lagged_correlation(seen.opening, truth, 2)
    ceiling = correlation(rig.opening, truth[shown])
    closing = closures(seen.opening, numbers, phones, read.scale)
    above = vowels_above(seen.opening, numbers, phones)
    fit, rig_fit = fits
    silent = silent_frames(case.clip.audio, len(frames))
    return ClipFigures(
        portrait=case.sitter.name,
        style=case.style,
        clip=case.clip.name,
        language=case.clip.language,
        seconds=len(frames) / FPS,
        lips=lips,
        lag_frames=lag,
        lips_shuffled=lagged_correlation(seen.opening, foreign, 2)[0],
        rig_lips=None if math.isnan(ceiling) else ceiling,
        spread=float(seen.opening[shown].std() / max(float(rig.opening.std()), 1e-6)),
        silent_opening=silent_opening(seen.opening, silent, read.scale),
        closures=closing.value,
        closures_of=closing.total,
        rig_closures=closures(rig.opening, shown, phones, read.rig_scale).value,
        vowels_above=above.value,
        vowels_of=above.total,
        rounding=rounding(seen.width, numbers, phones),
        rig_rounding=rounding(rig.width, shown, phones),
        sync=None if fit is None else fit.hits,
        sync_of=0 if fit is None else fit.windows,
        sync_offset=None if fit is None else fit.offset_frames,
        rig_sync=None if rig_fit is None else rig_fit.hits,
        blinks_per_minute=count_blinks(seen.eyes) / (len(frames) / FPS / 60),
        head_deg=_wander(seen),
        rig_head_deg=_wander(rig),
        identity_median=None if identity is None else identity[0],
        identity_max=None if identity is None else identity[1],
        background=background_change(frames, portrait),
        flicker=flicker(frames, portrait),
        seam=seam_score(frames, portrait, hop_frames),
        sharpness=sharpness_ratio(frames, portrait),
        lost_frames=seen.lost / len(frames),
    )


def count_blinks(eyes: NDArray[np.float32]) -> int:
    """Dips of the eyes' openness to under 60 % of its usual value."""
    closed = eyes < 0.6 * np.median(eyes)
    return int((closed[1:] & ~closed[:-1]).sum())


def contact_sheet(frames: NDArray[np.uint8], columns: int = _SHEET_COLUMNS) -> RgbImage:
    """A row of evenly spaced small frames, to look at."""
    picks = np.linspace(0, len(frames) - 1, columns).astype(int)
    size = (_SHEET_PX, _SHEET_PX)
    small = [cv2.resize(frames[i], size, interpolation=cv2.INTER_AREA) for i in picks]
    return np.asarray(np.concatenate(small, axis=1), np.uint8)


def _identity(
    portrait: FramedPortrait, frames: NDArray[np.uint8], embedder: FaceEmbedder | None
) -> tuple[float, float] | None:
    """Median and largest distance of a film to its portrait; None if not asked."""
    if embedder is None:
        return None
    distances = embedder.distances(portrait.image, frames[::_FACE_EVERY])
    return float(np.median(distances)), float(distances.max())


def _fit(clip: Clip, read: Readings, scorer: SyncScorer | None) -> tuple[Sync | None, Sync | None]:
    """How well sound and mouth belong together, in the model's film and in the rig's."""
    if scorer is None:
        return None, None
    own, rig, drawn = read.model, read.rig.seen, read.rig.numbers
    every = np.arange(int(drawn[-1]) + 1)
    opening, width = (
        np.interp(every, drawn, curve).astype(np.float32) for curve in (rig.opening, rig.width)
    )
    return (
        judge_sync(scorer, clip.audio, own.opening, own.width),
        judge_sync(scorer, clip.audio, opening, width),
    )


def _wander(seen: Tracked) -> float:
    """Deviation of pitch, yaw and roll together, degrees."""
    return float(np.sqrt((seen.angles_deg.std(0) ** 2).sum()))


def _curves(case: Case, read: Readings) -> Curves:
    # Both in the larger of the two ranges: a mouth that hedges is seen to.
    scale = max(read.scale, read.rig_scale, key=lambda s: s.reach)
    closing = [(p.start_s, p.end_s) for p in case.phones if p.ipa[:1] in CLOSING]
    return Curves(
        model=scale.share(read.model.opening),
        rig=scale.share(read.rig.seen.opening),
        rig_numbers=read.rig.numbers,
        loudness=loudness_of(case.clip.audio, len(read.model.opening)),
        closing_s=tuple(closing),
    )

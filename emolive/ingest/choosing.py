"""Which shots of a film can be trained on, and why the others cannot. Pure."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emolive.ingest.judging import REACH_FRAMES, check_sync, span_of, speech_share
from emolive.ingest.reading import FPS, FRAME_SAMPLES
from emolive.ingest.shots import Shot, find_shots
from emolive.ingest.tracking import Watched
from realtime_model.face import Face
from realtime_model.portrait import square_around
from realtime_model.training.evaluation import mouth_opening

Box = tuple[float, float, float, float]

_ANYBODY: Final = 0.5  # of a film must show a face, or it is not about one
_CROWDED: Final = 0.2  # share of the looks round that may find others
_OFTEN_OUTSIDE: Final = 0.05
_WANDERS: Final = 1.6  # a square so much larger than the face needs leaves few pixels for it
_ROOM: Final = 1.15  # around all places the face was in
_IN_TIME_FRAMES: Final = 2
_LOOK_ROUND_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Rules:
    """What a clip must be like.

    Attributes:
        longest_s: longer shots are divided evenly.
        least_face_px: width of the face in the film.
        most_yaw_deg: how far the head may be turned, in the middle of all frames.
        least_speech: share of the clip in which somebody speaks.
        least_correlation: of the mouth with the sound, at the best lag.
        least_confidence: how far that lag stands out of the others.
    """

    shortest_s: float = 2.0
    longest_s: float = 20.0
    least_face_px: float = 96.0
    most_yaw_deg: float = 40.0
    least_speech: float = 0.2
    least_correlation: float = 0.25
    least_confidence: float = 0.2


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A stretch that is not used.

    Attributes:
        reason: a stable word.
        message: what was found, and what to do about it.
    """

    from_s: float
    to_s: float
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Chosen:
    """A shot that is used.

    Attributes:
        box: the square around the face, the same for all frames, in pixels of the film.
        face_px: width of the face, median.
        speech: share of the clip in which somebody speaks.
        lag_frames: of the mouth behind the sound, as it was found.
        moved_frames: how much later the sound was put.
        lacks: what would make it better.
    """

    shot: Shot
    box: Box
    face_px: float
    speech: float
    lag_frames: int
    correlation: float
    confidence: float
    moved_frames: int
    lacks: tuple[str, ...]


def choose(
    watched: Watched, samples: NDArray[np.int16], rules: Rules
) -> tuple[list[Chosen], list[LeftOut]]:
    """Judge all shots of a film.

    Args:
        watched: its pictures.
        samples: its sound; empty where there is none.
        rules: what to ask for.
    """
    shots = find_shots(watched.present, watched.starts)
    long = [shot for shot in shots if len(shot) >= rules.shortest_s * FPS]
    short = [shot for shot in shots if shot not in long]
    seen = float(watched.present.mean()) if shots else 0.0
    if not long and seen < _ANYBODY:
        text = f"a face is seen in {seen:.0%} of it"
        return [], [_left(Shot(0, len(watched.faces)), "no_face", text)]
    chosen, left_out = [], []
    for shot in (piece for whole in long for piece in _divided(whole, rules)):
        verdict = _judge(shot, watched, samples, rules)
        chosen += [verdict] if isinstance(verdict, Chosen) else []
        left_out += [verdict] if isinstance(verdict, LeftOut) else []
    if short:
        text = f"one face without a cut for {max(map(len, short)) / FPS:.1f} s at most"
        left_out.append(_left(Shot(short[0].first, short[-1].end), "short", text))
    return chosen, left_out


def square_over(faces: list[Face]) -> Box:
    """The square that holds a face at all places it was in; it stands still."""
    squares = np.array([square_around(face) for face in faces])
    boxes = np.array([face.box for face in faces])
    low, high = boxes[:, :2].min(0), boxes[:, 2:].max(0)
    side = max(float(np.median(squares[:, 2] - squares[:, 0])), _ROOM * float((high - low).max()))
    centre = np.median((squares[:, :2] + squares[:, 2:]) / 2, axis=0)
    margin = (side - _ROOM * (high - low)) / 2
    centre = np.clip(centre, (low + high) / 2 - margin, (low + high) / 2 + margin)
    (left, top), (right, bottom) = centre - side / 2, centre + side / 2
    return float(left), float(top), float(right), float(bottom)


def _divided(shot: Shot, rules: Rules) -> list[Shot]:
    pieces = -(-len(shot) // round(rules.longest_s * FPS))
    edges = np.linspace(shot.first, shot.end, pieces + 1).astype(int)
    return [Shot(int(a), int(b)) for a, b in pairwise(edges)]


def _judge(
    shot: Shot, watched: Watched, samples: NDArray[np.int16], rules: Rules
) -> Chosen | LeftOut:
    faces = [face for face in watched.faces[shot.first : shot.end] if face is not None]
    looks = max(1.0, len(shot) / FPS / _LOOK_ROUND_S)
    if watched.several[shot.first : shot.end].sum() > _CROWDED * looks:
        return _left(shot, "several_faces", "several people are seen: cut the film to one")
    face_px = float(np.median([face.width_px for face in faces]))
    if face_px < rules.least_face_px:
        return _left(
            shot,
            "small",
            f"the face is {face_px:.0f} pixels wide, and {rules.least_face_px:.0f} are needed",
        )
    yaw = float(np.median([abs(face.yaw_deg) for face in faces]))
    if yaw > rules.most_yaw_deg:
        return _left(shot, "turned", f"the head is turned by {yaw:.0f} degrees")
    outside = float(np.mean([_is_outside(face, watched.size_px) for face in faces]))
    if outside > _OFTEN_OUTSIDE:
        return _left(shot, "cut_off", f"the face leaves the picture in {outside:.0%} of the frames")
    box = square_over(faces)
    usual = float(np.median([s[2] - s[0] for s in map(square_around, faces)]))
    if box[2] - box[0] > _WANDERS * usual:
        return _left(shot, "wanders", "the head moves through the picture: it would be too small")
    return _listen(shot, faces, samples, rules, (box, face_px))


def _listen(
    shot: Shot,
    faces: list[Face],
    samples: NDArray[np.int16],
    rules: Rules,
    framed: tuple[Box, float],
) -> Chosen | LeftOut:
    """Judge the sound of a shot whose picture is good."""
    heard = span_of(samples, shot.first, shot.end)
    frames = min(len(shot), len(heard) // FRAME_SAMPLES)
    if frames < rules.shortest_s * FPS:
        return _left(shot, "no_sound", f"there is sound for only {frames / FPS:.1f} s of it")
    shot = Shot(shot.first, shot.first + frames)
    speech = speech_share(heard)
    if speech < rules.least_speech:
        return _left(shot, "quiet", f"somebody speaks in only {speech:.0%} of it")
    opening = np.array([mouth_opening(face) for face in faces[:frames]])
    sync = check_sync(opening, heard)
    figures = f"correlation {sync.correlation:.2f}, {sync.confidence:.2f} above other lags"
    in_time = abs(sync.lag_frames) <= _IN_TIME_FRAMES
    least = rules.least_correlation if in_time else max(rules.least_correlation, _by_chance(frames))
    if sync.correlation < least or sync.confidence < rules.least_confidence:
        return _left(shot, "not_this_voice", f"the mouth does not follow the sound ({figures})")
    if abs(sync.lag_frames) == REACH_FRAMES:
        return _left(
            shot, "out_of_sync", f"sound and picture are {REACH_FRAMES} frames apart or more"
        )
    moved = 0 if in_time else sync.lag_frames
    if moved > 0:  # the first frames have no sound then; the last ones, if it was late
        shot = Shot(max(shot.first, moved), shot.end)
    elif moved < 0:
        shot = Shot(shot.first, min(shot.end, len(samples) // FRAME_SAMPLES + moved))
    if len(shot) < rules.shortest_s * FPS:
        return _left(shot, "short", f"only {len(shot) / FPS:.1f} s are left once sound is moved")
    box, face_px = framed
    return Chosen(
        shot, box, face_px, speech, sync.lag_frames, sync.correlation, sync.confidence, moved,
        _lacks(face_px, box, speech, moved),
    )  # fmt: skip


def _by_chance(frames: int) -> float:
    """The best correlation that a mouth and another voice may have at some lag.

    Both curves change about every fourth frame: with n / 4 independent values a correlation
    deviates by 2 / sqrt(n) from 0, and the best of some ten lags by two and a half times that.
    """
    return 5.0 / float(np.sqrt(frames))


def _lacks(face_px: float, box: Box, speech: float, moved: int) -> tuple[str, ...]:
    found = []
    if box[2] - box[0] < 384:
        found.append(f"pixels: the face is {face_px:.0f} wide")
    if speech < 0.5:
        found.append(f"speech: only {speech:.0%} of it")
    if moved:
        found.append(f"sync: the sound was put {abs(moved)} frames {_way(moved)}")
    return tuple(found)


def _way(frames: int) -> str:
    return "later" if frames > 0 else "earlier"


def _is_outside(face: Face, size_px: tuple[int, int]) -> bool:
    left, top, right, bottom = face.box
    slack = 0.05 * face.width_px
    return min(left, top) < -slack or right > size_px[0] + slack or bottom > size_px[1] + slack


def _left(shot: Shot, reason: str, message: str) -> LeftOut:
    return LeftOut(shot.first / FPS, shot.end / FPS, reason, message)

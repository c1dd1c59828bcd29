"""What a person does besides speaking: small turns of the head, glances, blinks.

A few-step sampler returns the likeliest motion, and the likeliest head is a still one: rare things
are averaged away. So turns and glances are drawn here and handed to the backbone as a weak
condition, as EMO hands it the speed of the head; how neck and hair follow is still the network's to
know. Blinks are shown by the lids of the portrait, see `realtime_model.lids`.
Drawn per absolute frame from the stream's seed: chunking cannot change them.
"""

import numpy as np
from numpy.typing import NDArray

GESTURES = ("pitch", "yaw", "roll", "gaze_x", "gaze_y")
# What one unit of each number means: 5 degrees of rotation, a quarter of an iris.
UNITS = np.array([np.pi / 36, np.pi / 36, np.pi / 36, 0.25, 0.25], np.float32)

# Frames of a blink: closing is faster than opening.
BLINK = np.array([0.35, 0.85, 1.0, 0.9, 0.6, 0.3, 0.1], np.float32)
_FRAMES_PER_MINUTE = 25 * 60
_DOUBLE = 11  # frames from the first of two quick blinks to the second
_TURN = 44  # frames a turn of the head takes
_AMPLITUDE = np.array([0.42, 0.62, 0.34], np.float32)
_GLANCE = 36  # frames a glance is held


def gestures(
    seed: int,
    first_frame: int,
    frames: int,
    *,
    liveliness: float = 1.0,
    head_speed: float = 1.0,
) -> NDArray[np.float32]:
    """Return the gestures of some absolute frames, (frames, 5), in `UNITS`.

    Args:
        seed: of the stream.
        first_frame: absolute number of the first one.
        frames: how many.
        liveliness: scales them all; 0 holds still.
        head_speed: turns of the head take as long at 1 as people's do, half as long at 2.
    """
    at = np.arange(first_frame, first_frame + frames)
    out = np.zeros((frames, len(GESTURES)), np.float32)
    for axis in range(3):
        out[:, axis] = (
            _drift(seed, axis, at, round(_TURN / head_speed)) * _AMPLITUDE[axis] * liveliness
        )
    glance = _glances(seed, at) * liveliness
    # The eyes hold the viewer while the head turns away from them.
    out[:, 3] = glance[:, 0] + 0.4 * out[:, 1]
    out[:, 4] = glance[:, 1] - 0.2 * out[:, 0]
    return out


def blinks(seed: int, first_frame: int, frames: int, *, per_minute: float) -> NDArray[np.float32]:
    """Return how far the eyes are closed in some absolute frames, (frames,) in [0, 1].

    Args:
        seed: of the stream.
        first_frame: absolute number of the first one.
        frames: how many.
        per_minute: how often, 0 to 40; one in eight is double, under one an hour is never.
    """
    out = np.zeros(frames, np.float32)
    if per_minute < 1 / 60:
        return out
    at = np.arange(first_frame, first_frame + frames)
    every = max(round(_FRAMES_PER_MINUTE / per_minute), 2 * len(BLINK) + _DOUBLE)
    for stretch in range(int(at[0]) // every - 1, int(at[-1]) // every + 1):
        room = every - len(BLINK) - _DOUBLE
        start = stretch * every + int(_random(seed, 1, stretch) * room)
        double = _random(seed, 2, stretch) < 0.125
        for begin in (start, start + _DOUBLE) if double else (start,):
            place = at - begin
            inside = (place >= 0) & (place < len(BLINK))
            out[inside] = np.maximum(out[inside], BLINK[place[inside]])
    return out


def speeds_deg(drawn: NDArray[np.float32]) -> NDArray[np.float32]:
    """Angular speed of the head in all frames but the first of gestures (n, 5), degrees a frame."""
    turns = drawn[:, :3] * np.degrees(UNITS[:3])
    return np.asarray(np.linalg.norm(np.diff(turns, axis=0), axis=1), np.float32)


def _drift(seed: int, axis: int, at: NDArray[np.int64], turn: int) -> NDArray[np.float32]:
    """Smooth noise of unit deviation: white noise under a bell of ``turn`` frames, up to each."""
    bell = np.exp(-(np.linspace(-3, 3, turn) ** 2) / 2)
    bell /= np.sqrt((bell**2).sum())
    noise = np.array(
        [_random(seed, 10 + axis, f) for f in range(int(at[0]) - turn + 1, int(at[-1]) + 1)]
    )
    return np.convolve((noise - 0.5) * np.sqrt(12.0), bell, "valid").astype(np.float32)


def _glances(seed: int, at: NDArray[np.int64]) -> NDArray[np.float32]:
    """Where the eyes wander, (n, 2): mostly nowhere, sometimes aside, in softened jumps."""
    soft = np.arange(-2, 3)
    out = np.zeros((len(at), 2), np.float32)
    for shift in soft:
        hold = (at + shift) // _GLANCE
        for axis, reach in enumerate((0.9, 0.4)):
            place = np.array([(_random(seed, 4 + axis, int(h)) - 0.5) * 2 * reach for h in hold])
            away = np.array([_random(seed, 3, int(h)) < 0.35 for h in hold])
            out[:, axis] += np.where(away, place, 0.0) / len(soft)
    return out


def _random(seed: int, purpose: int, number: int) -> float:
    """A number in [0, 1) that depends on nothing but its arguments (splitmix64)."""
    x = (
        seed * 0x9E3779B97F4A7C15 + purpose * 0xBF58476D1CE4E5B9 + number * 0x94D049BB133111EB
    ) & _MASK
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        x = ((x ^ (x >> shift)) * factor) & _MASK
    return ((x ^ (x >> 31)) >> 11) / 2**53


_MASK = 2**64 - 1

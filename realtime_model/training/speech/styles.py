"""The same voice singing, whispering, shouting, laughing; its phones move as its sound does."""

import random
from dataclasses import replace

import numpy as np

from realtime_model.training.speech.melody import Pace, composed, stretched, sung_pitch, vowels
from realtime_model.training.speech.phones import Phone, split_sounds
from realtime_model.training.speech.voices import SAMPLE_RATE_HZ, Recording
from realtime_model.training.speech.world import (
    STEP_S,
    Floats,
    VoiceParts,
    pitch_of,
    put_together,
    taken_apart,
)

_ALL_BREATH = 0.9

_WHISPER_THROAT = 1.06
_WHISPER_BREAK_HZ, _WHISPER_CUT_DB = 1_200.0, 18.0
_SHOUT_PITCH, _SHOUT_RANGE = (1.3, 1.6), 1.3
_SHOUT_HELD = 1.3
_LAUGH_PITCH, _LAUGH_BREATH = (1.3, 1.9), 0.3
_SHOUT_BREAK_HZ, _SHOUT_LIFT_DB = 900.0, 12.0


def performed(spoken: Recording, style: str, seed: int) -> Recording:
    """Return speech in another style.

    Args:
        spoken: with phones.
        style: one of `config.STYLES`.
        seed: of the melody, or of how high a shout is; the same gives the same.
    """
    rng = random.Random(seed)
    match style:
        case "sung":
            return _sung(spoken, rng)
        case "whispered":
            return _whispered(spoken)
        case "shouted":
            return _shouted(spoken, rng)
        case "laughed":
            return _laughed(spoken, rng)
        case _:
            return spoken


def _sung(spoken: Recording, rng: random.Random) -> Recording:
    """A melody, its notes held by the vowels."""
    notes = composed(spoken.phones, rng)
    if not notes:
        return spoken
    parts = _parts(spoken)
    sounds = [sound for phone in spoken.phones for sound in split_sounds(phone)]
    # A vowel that was swallowed has only noise to hold.
    held_s = {n.nucleus: n.held_s for n in notes if _has_voice(parts, sounds[n.nucleus])}
    pace = stretched(spoken.phones, held_s)
    times_s, moments_s = _moments(pace)
    slow = parts.at(moments_s)
    sung_hz = parts.own_hz * 2 ** (sung_pitch(notes, pace, times_s, rng) / 12)
    return _recorded(replace(slow, pitch_hz=np.where(slow.pitch_hz > 0, sung_hz, 0.0)), pace)


def _whispered(spoken: Recording) -> Recording:
    """Noise instead of pitch, a shorter throat, and less of the low tones."""
    parts = _parts(spoken)
    lines = np.arange(parts.envelope.shape[1])
    shorter = np.stack([np.interp(lines / _WHISPER_THROAT, lines, row) for row in parts.envelope])
    cut_db = -_WHISPER_CUT_DB * np.clip(1 - parts.lines_hz / _WHISPER_BREAK_HZ, 0, 1)
    voiced = parts.pitch_hz[:, None] > 0
    whisper = VoiceParts(
        np.zeros_like(parts.pitch_hz),
        np.where(voiced, shorter * 10 ** (cut_db / 10), parts.envelope),
        np.ones_like(parts.breath),
    )
    return _recorded(whisper, stretched(spoken.phones, {}))


def _shouted(spoken: Recording, rng: random.Random) -> Recording:
    """A higher pitch of wider range, longer vowels, and a spectrum that falls less."""
    sounds = [sound for phone in spoken.phones for sound in split_sounds(phone)]
    held_s = {n: _SHOUT_HELD * sounds[n].duration_s for n in vowels(spoken.phones)}
    pace = stretched(spoken.phones, held_s)
    parts = _parts(spoken)
    slow = parts.at(_moments(pace)[1])
    voiced = slow.pitch_hz > 0
    melody = (np.where(voiced, slow.pitch_hz, parts.own_hz) / parts.own_hz) ** _SHOUT_RANGE
    pitch_hz = rng.uniform(*_SHOUT_PITCH) * parts.own_hz * melody
    octaves = np.log2(np.maximum(slow.lines_hz, 1.0) / _SHOUT_BREAK_HZ)
    lift = 10 ** (_SHOUT_LIFT_DB * np.clip(octaves / 2, 0, 1) / 10)
    shout = VoiceParts(
        np.where(voiced, pitch_hz, 0.0),
        slow.envelope * np.where(voiced[:, None], lift, 1.0),
        slow.breath,
    )
    return _recorded(shout, pace)


def _laughed(spoken: Recording, rng: random.Random) -> Recording:
    """Begins high and falls, with breath in every vowel; what is said has to be laughter."""
    parts = _parts(spoken)
    fall = np.geomspace(rng.uniform(*_LAUGH_PITCH), 1.0, len(parts.pitch_hz))
    laugh = VoiceParts(
        parts.pitch_hz * fall, parts.envelope, np.maximum(parts.breath, _LAUGH_BREATH)
    )
    return _recorded(laugh, stretched(spoken.phones, {}))


def _parts(spoken: Recording) -> VoiceParts:
    """Take a voice apart; vowels that mostly have a pitch get one: held, a hole would hiss."""
    pitch_hz, times_s = pitch_of(spoken.samples)
    filled, voiced = pitch_hz.copy(), pitch_hz > 0
    sounds = [sound for phone in spoken.phones for sound in split_sounds(phone)]
    for number in vowels(spoken.phones):
        inside = (times_s >= sounds[number].start_s) & (times_s < sounds[number].end_s)
        if inside.any() and voiced[inside].mean() > 0.5:
            filled[inside] = np.interp(times_s[inside], times_s[voiced], pitch_hz[voiced])
    return taken_apart(spoken.samples, filled, times_s)


def _has_voice(parts: VoiceParts, sound: Phone) -> bool:
    rows = slice(round(sound.start_s / STEP_S), round(sound.end_s / STEP_S))
    voiced = parts.breath[rows].min(axis=1) < _ALL_BREATH
    return len(voiced) > 0 and float(voiced.mean()) > 0.5


def _moments(pace: Pace) -> tuple[Floats, Floats]:
    """Return the times of the performance's rows, and the moments of the speech they show."""
    times_s = np.arange(int(pace.performed_s[-1] / STEP_S) + 1) * STEP_S
    moments_s = np.interp(times_s, pace.performed_s, pace.spoken_s)
    return times_s.astype(np.float64), np.asarray(moments_s, np.float64)


def _recorded(parts: VoiceParts, pace: Pace) -> Recording:
    count = round(float(pace.performed_s[-1]) * SAMPLE_RATE_HZ)
    return Recording(put_together(parts, count), pace.sounds)

"""Flite's parametric voices (BSD-like, Debian ``flite``): dated sound, instant, timed by phone."""

import subprocess
import tempfile
from pathlib import Path

from realtime_model.training.speech.phones import (
    Phone,
    merged_silence,
    phone_of_arpabet,
    phones_in_turn,
)
from realtime_model.training.speech.voices import Recording, read_wav, recording

VOICES = ("slt", "rms", "awb")
"""``kal`` and ``kal16`` report times longer than their sound, so they are of no use here."""


class Flite:
    """One voice of the ``flite`` program."""

    def __init__(self, voice: str) -> None:
        if voice not in VOICES:
            raise ValueError(f"flite voice {voice!r} is not one of {', '.join(VOICES)}")
        self._voice = voice

    def speak(self, text: str, speed: float) -> Recording:
        with tempfile.TemporaryDirectory() as folder:
            wav = Path(folder) / "speech.wav"
            stretch = f"duration_stretch={1 / speed:.3f}"
            command = ["flite", "-voice", self._voice, "--setf", stretch, "-psdur", "-t", text]
            done = subprocess.run(
                [*command, "-o", str(wav)], check=True, capture_output=True, text=True
            )
            samples, rate_hz = read_wav(wav)
        return recording(samples, rate_hz, merged_silence(phones_of_report(done.stdout)))


def phones_of_report(report: str) -> list[Phone]:
    """Read ``name:end_s`` pairs; each phone starts where the one before it ended."""
    pairs = (entry.split(":") for entry in report.split())
    return phones_in_turn(((name, float(end)) for name, end in pairs), phone_of_arpabet)

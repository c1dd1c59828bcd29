"""Flite's parametric voices (BSD-like, Debian ``flite``): dated sound, instant, timed by phone."""

import subprocess
import tempfile
from pathlib import Path

import numpy as np
from scipy.io import wavfile

from realtime_model.training.speech.phones import Phone, merged_silence, phone_of_arpabet
from realtime_model.training.speech.voices import Recording, recording

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
            rate_hz, pcm = wavfile.read(wav)
        samples = pcm.astype(np.float32) / np.float32(32_768)
        return recording(samples, rate_hz, merged_silence(phones_of_report(done.stdout)))


def phones_of_report(report: str) -> list[Phone]:
    """Read ``name:end_s`` pairs; each phone starts where the one before it ended."""
    phones: list[Phone] = []
    start_s = 0.0
    for entry in report.split():
        name, end = entry.split(":")
        phones.append(phone_of_arpabet(name, start_s, float(end)))
        start_s = float(end)
    return phones

"""Recorded people: the telephone prompts of Asterisk, aligned to phones where English.

Debian's ``asterisk-core-sounds-*`` (CC-BY-SA-3.0; Russian CC-BY-3.0) hold studio recordings at
16 kHz and their texts. Other languages come without phones; `recordings` finds them afterwards.
"""

import gzip
import subprocess
from functools import cached_property
from pathlib import Path

import numpy as np

from realtime_model.training.speech.aligner import Aligner
from realtime_model.training.speech.packages import PackageError
from realtime_model.training.speech.voices import SAMPLE_RATE_HZ, Recording, Samples, recording

_SOUNDS = Path("/usr/share/asterisk/sounds")
_TEXTS = Path("/usr/share/doc")
_FOLDERS = {
    "en-us": "en_US_f_Allison",
    "es": "es_MX_f_Allison",
    "fr-fr": "fr_CA_f_June",
    "it": "it_IT_m_Carlo",
    "ru": "ru_RU_f_IvrvoiceRU",
}


class Prompts:
    """One speaker's prompts; ``texts`` is everything this speaker can say."""

    def __init__(self, language: str) -> None:
        self._language = language
        self._folder = _SOUNDS / _FOLDERS[language]

    @cached_property
    def _files(self) -> dict[str, Path]:
        short = self._language.split("-")[0]
        package = f"asterisk-core-sounds-{short}"
        listing = _TEXTS / package / f"core-sounds-{short}.txt.gz"
        if not listing.is_file() or not any(self._folder.glob("*.g722")):
            raise PackageError(f"not installed: run `apt-get install {package} {package}-g722`")
        files: dict[str, Path] = {}
        for line in gzip.decompress(listing.read_bytes()).decode("utf-8").splitlines():
            name, colon, text = line.partition(":")
            path = self._folder / f"{name}.g722"
            # Brackets and angles describe sounds that are no speech.
            if colon and not set("[<(;") & set(line) and path.is_file():
                files.setdefault(text.strip(), path)
        return {text: path for text, path in files.items() if len(text) > 1}

    @cached_property
    def _aligner(self) -> Aligner:
        return Aligner()

    @cached_property
    def texts(self) -> list[str]:
        """Every text the aligner can pronounce; all of them in languages it does not know."""
        if self._language != "en-us":
            return sorted(self._files)
        return sorted(text for text in self._files if self._aligner.knows(text))

    def speak(self, text: str, speed: float) -> Recording:
        """Return the recording of ``text``; people keep their own ``speed``."""
        samples = _decoded(self._files[text])
        if self._language != "en-us":
            return Recording(samples, [])
        return recording(samples, SAMPLE_RATE_HZ, self._aligner.align(samples, text))


def _decoded(path: Path) -> Samples:
    command = ["ffmpeg", "-v", "error", "-f", "g722", "-i", str(path), "-f", "s16le", "-"]
    pcm = subprocess.run(command, check=True, capture_output=True).stdout
    return np.frombuffer(pcm, "<i2").astype(np.float32) / np.float32(32_768)

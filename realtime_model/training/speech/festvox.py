"""A recorded person who comes with phones: the Russian voice of Festival's festvox project.

Debian's ``festvox-ru`` (BSD-like, Nickolay V. Shmyrev) holds what its voice was built from: 620
passages read by one man, 96 minutes at 16 kHz, what he reads, and where every sound ends.
"""

import re
from functools import cached_property
from pathlib import Path

from realtime_model.training.speech.packages import PackageError
from realtime_model.training.speech.phones import (
    Phone,
    merged_silence,
    phone_of_msu,
    phones_in_turn,
)
from realtime_model.training.speech.voices import Recording, read_wav, recording

_VOICES = Path("/usr/share/festival/voices")
_FOLDERS = {"ru": _VOICES / "russian" / "msu_ru_nsh_clunits"}
_LINE = re.compile(r'\(\s*(\w+)\s+"(.*)"\s*\)')


class Festvox:
    """The passages of one reader; ``texts`` is everything there is."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @cached_property
    def _names(self) -> dict[str, str]:
        listing = self._folder / "etc" / "txt.done.data"
        if not listing.is_file():
            raise PackageError("not installed: run `apt-get install festvox-ru`")
        lines = map(_LINE.match, listing.read_text(encoding="utf-8").splitlines())
        return {line[2]: line[1] for line in lines if line}

    @property
    def texts(self) -> list[str]:
        return sorted(self._names)

    def speak(self, text: str, speed: float) -> Recording:
        """Return the reading of ``text``; people keep their own ``speed``."""
        name = self._names[text]
        samples, rate_hz = read_wav(self._folder / "wav" / f"{name}.wav")
        labels = (self._folder / "lab" / f"{name}.lab").read_text(encoding="utf-8")
        return recording(samples, rate_hz, merged_silence(phones_of_labels(labels)))


def folder_of(language: str) -> Path:
    """Return where the package of a language puts its voice.

    Raises:
        PackageError: there is no reader of that language.
    """
    if language not in _FOLDERS:
        raise PackageError(f"festvox has no reader of {language!r}; it has {', '.join(_FOLDERS)}")
    return _FOLDERS[language]


def phones_of_labels(labels: str) -> list[Phone]:
    """Read lines of ``end_s colour name`` below a ``#``; each starts where the one before ended."""
    lines = (line.split() for line in labels.partition("#")[2].splitlines() if line.strip())
    return phones_in_turn(((name, float(end)) for end, _, name in lines), phone_of_msu)

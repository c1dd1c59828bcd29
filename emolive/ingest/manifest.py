"""What a dataset of own clips says of itself: which films it was made of, and who is held out.

manifest.json, format 1:
  size_px, fps, rate_hz          of all clips
  persons   {name: split}        once decided, a person stays where they are
  files     {path below the folder: FilmRecord}
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from emolive.errors import InputError, WorkError
from emolive.ingest.choosing import Chosen, LeftOut
from emolive.ingest.clips import whole_or_not
from emolive.ingest.reading import FPS, RATE_HZ

_NAME: Final = "manifest.json"
_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class ClipRecord:
    """One clip: its film NAME.mp4 and numbers NAME.npz lie below ``clips``."""

    name: str
    from_s: float
    to_s: float
    frames: int
    face_px: float
    speech: float
    lag_frames: int
    correlation: float
    confidence: float
    moved_frames: int
    lacks: tuple[str, ...]

    @classmethod
    def of(cls, name: str, chosen: Chosen) -> "ClipRecord":
        shot = chosen.shot
        return cls(
            name,
            shot.first / FPS,
            shot.end / FPS,
            len(shot),
            round(chosen.face_px, 1),
            round(chosen.speech, 3),
            chosen.lag_frames,
            round(chosen.correlation, 3),
            round(chosen.confidence, 3),
            chosen.moved_frames,
            chosen.lacks,
        )


@dataclass(frozen=True, slots=True)
class FilmRecord:
    """One film, done.

    Attributes:
        bytes: its size.
        changed_ns: when it was last changed; with another size or time it is done again.
        person: who is in it.
        clips: what was kept.
        left_out: what was not.
        note: what is the matter with the file as a whole; empty when nothing is.
    """

    bytes: int
    changed_ns: int
    person: str
    clips: tuple[ClipRecord, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    note: str = ""


@dataclass(slots=True)
class Manifest:
    """The manifest of one dataset; `save` after every film."""

    folder: Path
    size_px: int
    persons: dict[str, str] = field(default_factory=dict)
    files: dict[str, FilmRecord] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path, size_px: int) -> "Manifest":
        """Read what is there, or begin.

        Raises:
            InputError: the folder holds a dataset of another size or version, or a damaged one.
        """
        path = folder / _NAME
        if not path.is_file():
            return cls(folder, size_px)
        try:
            body: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            there = (body["format"], body["size_px"])
            files = {name: _record(record) for name, record in body["files"].items()}
            persons = dict(body["persons"])
        except (ValueError, KeyError, TypeError, AttributeError) as exc:
            raise InputError(f"{path} is damaged: remove it to begin anew.") from exc
        if there != (_FORMAT, size_px):
            raise InputError(
                f"{folder} holds clips of {there[1]} pixels (format {there[0]}): "
                f"choose another --out, or --size {there[1]}."
            )
        return cls(folder, size_px, persons, files)

    def save(self) -> None:
        """Write it, whole or not at all.

        Raises:
            WorkError: the disk refuses.
        """
        body = {
            "format": _FORMAT,
            "size_px": self.size_px,
            "fps": FPS,
            "rate_hz": RATE_HZ,
            "persons": self.persons,
            "files": {name: asdict(record) for name, record in sorted(self.files.items())},
        }
        try:
            with whole_or_not(self.folder / _NAME) as part:
                part.write_text(json.dumps(body, indent=1, ensure_ascii=False), encoding="utf-8")
        except OSError as exc:
            raise WorkError(f"{self.folder / _NAME} cannot be written: {exc.strerror}.") from exc

    def divide(self, persons: Iterable[str], share: float) -> None:
        """Decide for new persons whether they are held out; two are the fewest to divide.

        Args:
            persons: all of them.
            share: of persons held out, at least one.
        """
        everyone = sorted(set(persons) | self.persons.keys(), key=_shuffled)
        wanted = max(1, round(share * len(everyone))) if share and len(everyone) > 1 else 0
        missing = wanted - list(self.persons.values()).count("heldout")
        for person in everyone:
            if person not in self.persons:
                self.persons[person] = "heldout" if missing > 0 else "train"
                missing -= 1

    def has(self, name: str, path: Path) -> bool:
        """Whether a film is done, unchanged since, with all of its clips still there."""
        record = self.files.get(name)
        if record is None:
            return False
        stat = path.stat()
        whole = all((self.clips / f"{clip.name}.npz").is_file() for clip in record.clips)
        return whole and (record.bytes, record.changed_ns) == (stat.st_size, stat.st_mtime_ns)

    @property
    def clips(self) -> Path:
        """The folder of the clips."""
        return self.folder / "clips"

    @property
    def kept(self) -> list[tuple[FilmRecord, ClipRecord]]:
        return [(film, clip) for _, film in sorted(self.files.items()) for clip in film.clips]


def _record(plain: dict[str, Any]) -> FilmRecord:
    clips = tuple(ClipRecord(**clip | {"lacks": tuple(clip["lacks"])}) for clip in plain["clips"])
    left_out = tuple(LeftOut(**left) for left in plain["left_out"])
    return FilmRecord(**plain | {"clips": clips, "left_out": left_out})


def _shuffled(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()

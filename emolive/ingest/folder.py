"""A folder of one's own films in, a dataset out: clips of one face each, with the sound they say.

look at every picture -> shots without a cut -> judge face and sound -> cut, write -> manifest
"""

import hashlib
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from av.error import FFmpegError

from emolive.errors import InputError, WorkError
from emolive.ingest.choosing import Rules, choose
from emolive.ingest.clips import FRAME_BYTES, sound_of, write_numbers, write_pictures
from emolive.ingest.manifest import ClipRecord, FilmRecord, Manifest
from emolive.ingest.reading import FPS, FilmFile
from emolive.ingest.sheet import write_sheet
from emolive.ingest.tracking import Watched, watch
from realtime_model.contract import RgbImage
from realtime_model.face import FaceLandmarker

Report = Callable[[str, int, int], None]
"""Takes the film's name, the frames seen so far in all films, and how many there will be."""

SUFFIXES: Final = frozenset(
    {".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".mts", ".3gp", ".wmv"}
)
CONSENT: Final = "CONSENT.txt"
_SPARE_BYTES: Final = 200_000_000


@dataclass(frozen=True, slots=True)
class Request:
    """What to do: the options of ``emolive data ingest``."""

    source: Path
    out: Path
    consent: str | None
    size_px: int = 512
    heldout: float = 0.1
    rules: Rules = field(default_factory=Rules)


def ingest(request: Request, report: Report) -> Manifest:
    """Make, or go on making, a dataset of all films of a folder.

    Raises:
        InputError: there are no films, nobody's consent is stated, or the dataset is another one.
        WorkError: the disk is full or refuses.
    """
    films = find_films(request.source, request.out)
    note = consent_note(request)
    manifest = Manifest.read(request.out, request.size_px)
    try:
        manifest.clips.mkdir(parents=True, exist_ok=True)
        _keep_note(request.out / CONSENT, note)
    except OSError as exc:
        raise WorkError(f"{request.out} cannot be written: {exc.strerror}.") from exc
    manifest.divide((person_of(name) for name in films), request.heldout)
    todo = {name: path for name, path in films.items() if not manifest.has(name, path)}
    total = sum(map(_expected_frames, todo.values()))
    landmarker, seen = FaceLandmarker(), 0
    for name, path in todo.items():
        already = seen

        def watched(frames: int, name: str = name, already: int = already) -> None:
            report(name, already + frames, max(total, already + frames))

        forget(manifest, name)
        manifest.files[name] = _one(path, name, manifest, landmarker, request.rules, watched)
        manifest.save()
        seen += _expected_frames(path)
    manifest.save()
    try:
        write_sheet(manifest)
    except OSError as exc:
        raise WorkError(f"The contact sheet cannot be written: {exc.strerror}.") from exc
    return manifest


def find_films(source: Path, out: Path) -> dict[str, Path]:
    """All films below a folder by their path in it, but not those of the dataset itself.

    Raises:
        InputError: it is no folder, or has none.
    """
    if not source.is_dir():
        raise InputError(f"There is no folder {source}.")
    films = {
        path.relative_to(source).as_posix(): path
        for path in sorted(source.rglob("*"))
        if path.suffix.lower() in SUFFIXES
        and path.is_file()
        and not path.name.startswith(".")
        and not path.resolve().is_relative_to(out.resolve())
    }
    if not films:
        raise InputError(
            f"There are no films in {source}; known are {', '.join(sorted(SUFFIXES))}."
        )
    return films


def consent_note(request: Request) -> str:
    """The statement that the people in the films agreed.

    Raises:
        InputError: there is none.
    """
    path = request.source / CONSENT
    try:
        written = path.read_text(encoding="utf-8").strip() if path.is_file() else ""
    except (OSError, UnicodeDecodeError) as exc:
        raise InputError(f"{path} cannot be read as text.") from exc
    note = "\n\n".join(part for part in (written, (request.consent or "").strip()) if part)
    if not note:
        raise InputError(
            "A model trained on these films can make the people in them say anything. Write who "
            f"they are, what they agreed to and when into {path}, or give it with --consent; it "
            "is kept with the dataset. Without their consent, do not train on them."
        )
    return note


def person_of(name: str) -> str:
    """Who is in a film: the folder it lies in, or the film itself."""
    first, _, rest = name.partition("/")
    return first if rest else Path(name).stem


def clip_name(name: str, number: int) -> str:
    """Name of a film's clip: no two films give the same."""
    plain = re.sub(r"[^A-Za-z0-9]+", "-", str(Path(name).with_suffix(""))).strip("-")[:60]
    return f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:6]}-{number:02d}"


def forget(manifest: Manifest, name: str) -> None:
    """Remove the clips that an older state of a film gave."""
    for record in manifest.files.pop(name, FilmRecord(0, 0, "")).clips:
        for suffix in (".npz", ".mp4"):
            (manifest.clips / f"{record.name}{suffix}").unlink(missing_ok=True)


def _one(
    path: Path,
    name: str,
    manifest: Manifest,
    landmarker: FaceLandmarker,
    rules: Rules,
    report: Callable[[int], None],
) -> FilmRecord:
    stat, person = path.stat(), person_of(name)
    try:
        film = FilmFile(path)
        samples = film.sound()
        if not len(samples):
            raise InputError("it has no sound")
        watched = watch(film.frames(), landmarker, report)
    except InputError as exc:
        return FilmRecord(stat.st_size, stat.st_mtime_ns, person, note=str(exc))
    except FFmpegError as exc:
        note = f"it cannot be decoded ({exc.strerror or exc})"
        return FilmRecord(stat.st_size, stat.st_mtime_ns, person, note=note)
    note = _condition(film, watched)
    chosen, left_out = choose(watched, samples, rules)
    names = [clip_name(name, number) for number in range(len(chosen))]
    _require_space(manifest.folder, sum(len(c.shot) for c in chosen) * FRAME_BYTES)
    try:
        frames, at = film.frames(), 0
        for own, clip in zip(names, chosen, strict=True):
            _skip(frames, clip.shot.first - at)
            sound = sound_of(clip, samples)
            write_pictures(manifest.clips / f"{own}.mp4", clip, frames, sound, manifest.size_px)
            at = clip.shot.end
            faces = [f for f in watched.faces[clip.shot.first : at] if f is not None]
            write_numbers(
                manifest.clips / f"{own}.npz", faces, clip.box, sound, manifest.size_px,
                who=person, split=manifest.persons[person],
            )  # fmt: skip
    except (FFmpegError, OSError) as exc:
        raise WorkError(
            f"Clips of {name} cannot be written ({exc.strerror or exc}): free some space and run "
            "it again; finished films are kept."
        ) from exc
    records = tuple(ClipRecord.of(own, c) for own, c in zip(names, chosen, strict=True))
    return FilmRecord(stat.st_size, stat.st_mtime_ns, person, records, tuple(left_out), note)


def _condition(film: FilmFile, watched: Watched) -> str:
    """What is the matter with a film as a whole."""
    if not watched.faces:
        return "no picture in it could be read"
    found = []
    if film.said_s is not None and film.said_s - film.read_s > 1.0:
        found.append(f"it is cut off: {film.said_s:.1f} s are announced, {film.read_s:.1f} s there")
    if film.damaged_packets:
        found.append(f"{film.damaged_packets} damaged packets were skipped")
    return "; ".join(found)


def _skip(frames: Iterator[RgbImage], count: int) -> None:
    for _ in range(count):
        next(frames)


def _expected_frames(path: Path) -> int:
    try:
        return round((FilmFile(path).said_s or 0.0) * FPS)
    except InputError:
        return 0


def _require_space(folder: Path, needed_bytes: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed_bytes + _SPARE_BYTES:
        raise WorkError(
            f"{folder} needs {(needed_bytes + _SPARE_BYTES) / 1e9:.2f} GB and its disk has "
            f"{free / 1e9:.2f} GB left: free some space, or choose another --out."
        )


def _keep_note(path: Path, note: str) -> None:
    """Keep a consent note with the dataset; notes of other folders stay beside it."""
    there = path.read_text(encoding="utf-8") if path.is_file() else ""
    if note not in there:
        path.write_text(f"{there}\n{note}\n".lstrip(), encoding="utf-8")

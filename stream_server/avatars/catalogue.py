"""The avatars people can choose: demo portraits that come with the program, and uploads on disk.

An upload is two files, ``<id>.png`` and ``<id>.json``; the second is written last, removed first,
so a crash leaves at most a picture nobody lists, which the next start removes. Paths are made from
ids we drew ourselves: what a client sends is only ever looked up.
"""

import asyncio
import contextlib
import json
import logging
import os
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from realtime_model.contract import RgbImage
from stream_server.avatars.errors import (
    AvatarLimitError,
    ShippedAvatarError,
    StorageError,
    UnknownAvatarError,
)
from stream_server.settings import SettingsError

log = logging.getLogger(__name__)

_UPLOAD_ID = re.compile(r"avtr_[0-9a-f]{16}")
_SHIPPED_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_LONGEST_NAME = 80


@dataclass(frozen=True, slots=True)
class Avatar:
    """One portrait.

    Attributes:
        id: lower-case letters, digits, dashes or underscores; of uploads, ``avtr_`` and 16 digits.
        picture: the image file.
        created_at: ISO 8601 in UTC for uploads; None for portraits that come with the program.
    """

    id: str
    name: str
    picture: Path
    is_shipped: bool
    description: str = ""
    source: str = ""
    licence: str = ""
    created_at: str | None = None


class AvatarCatalogue:
    """Lists, keeps and removes avatars. Reads its folders once, when it is made."""

    def __init__(self, *, directory: Path, shipped_dir: Path | None, max_stored: int) -> None:
        self._directory = directory
        self._max_stored = max_stored
        self._avatars = _read_shipped(shipped_dir) if shipped_dir else {}
        self._avatars |= _read_uploads(directory)
        self._writing = asyncio.Lock()

    def all(self) -> list[Avatar]:
        """Every avatar: the demo portraits first, then uploads, the newest first."""
        shipped = [a for a in self._avatars.values() if a.is_shipped]
        uploads = [a for a in self._avatars.values() if not a.is_shipped]
        return shipped + sorted(uploads, key=lambda a: a.created_at or "", reverse=True)

    def get(self, avatar_id: str | None) -> Avatar:
        """Return an avatar; None asks for the default, the first of `all`.

        Raises:
            UnknownAvatarError: there is none.
        """
        default = next(iter(self.all()), None)
        avatar = default if avatar_id is None else self._avatars.get(avatar_id)
        if avatar is None:
            raise UnknownAvatarError
        return avatar

    async def portrait(self, avatar_id: str | None) -> RgbImage:
        """Read an avatar's picture.

        Raises:
            UnknownAvatarError: there is none, or its file has gone.
        """
        picture = self.get(avatar_id).picture
        try:
            return await asyncio.to_thread(_read_picture, picture)
        except OSError as exc:
            log.warning("avatar unreadable", extra={"avatar": avatar_id})
            raise UnknownAvatarError from exc

    async def add(self, image: RgbImage, name: str | None) -> Avatar:
        """Keep a framed portrait under a new random id.

        Raises:
            AvatarLimitError: no place is left.
            StorageError: the disk refused; nothing is left behind.
        """
        async with self._writing:
            stored = sum(not avatar.is_shipped for avatar in self._avatars.values())
            if stored >= self._max_stored:
                raise AvatarLimitError(self._max_stored)
            avatar_id = f"avtr_{secrets.token_hex(8)}"
            avatar = Avatar(
                id=avatar_id,
                name=_clean_name(name) or f"Portrait {stored + 1}",
                picture=self._directory / f"{avatar_id}.png",
                is_shipped=False,
                created_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            )
            try:
                await asyncio.to_thread(_write_upload, avatar, image)
            except OSError as exc:
                log.exception("avatar not written")
                raise StorageError from exc
            self._avatars[avatar_id] = avatar
        return avatar

    async def remove(self, avatar_id: str) -> None:
        """Delete an upload; sessions that show it go on.

        Raises:
            UnknownAvatarError: there is none.
            ShippedAvatarError: it comes with the program.
        """
        async with self._writing:
            avatar = self.get(avatar_id)
            if avatar.is_shipped:
                raise ShippedAvatarError(avatar.id)
            try:
                await asyncio.to_thread(_delete_upload, avatar)
            except OSError as exc:
                log.exception("avatar not deleted")
                raise StorageError from exc
            del self._avatars[avatar_id]


def _clean_name(name: str | None) -> str:
    """One line of printable characters, at most 80."""
    printable = "".join(c if c.isprintable() else " " for c in name or "")
    return " ".join(printable.split())[:_LONGEST_NAME].strip()


def _read_picture(path: Path) -> RgbImage:
    with Image.open(path, formats=("PNG", "JPEG")) as image:
        return np.asarray(image.convert("RGB"))


def _read_shipped(folder: Path) -> dict[str, Avatar]:
    """Read ``portraits.yaml``: a list of id, file, name, description, source, licence."""
    listing = folder / "portraits.yaml"
    if not listing.is_file():
        return {}
    try:
        entries = yaml.safe_load(listing.read_text(encoding="utf-8"))
        avatars = [_shipped(folder, entry) for entry in entries]
    except (yaml.YAMLError, KeyError, TypeError, AttributeError) as exc:
        raise SettingsError(f"avatars.shipped_dir: {listing} is not a list of portraits") from exc
    for avatar in avatars:
        if not (_SHIPPED_ID.fullmatch(avatar.id) and avatar.picture.is_file()):
            raise SettingsError(f"avatars.shipped_dir: {listing}: {avatar.id} has a bad id or file")
    return {avatar.id: avatar for avatar in avatars}


def _shipped(folder: Path, entry: dict[str, str]) -> Avatar:
    return Avatar(
        id=entry["id"],
        name=entry["name"],
        picture=folder / entry["file"],
        is_shipped=True,
        description=entry.get("description", ""),
        source=entry.get("source", ""),
        licence=entry.get("licence", ""),
    )


def _read_uploads(folder: Path) -> dict[str, Avatar]:
    avatars: dict[str, Avatar] = {}
    if not folder.is_dir():
        return avatars
    for listing in folder.glob("avtr_*.json"):
        avatar_id, picture = listing.stem, listing.with_suffix(".png")
        if not _UPLOAD_ID.fullmatch(avatar_id) or not picture.is_file():
            continue
        try:
            entry = json.loads(listing.read_text(encoding="utf-8"))
            name, created_at = str(entry["name"]), str(entry["created_at"])
        except (OSError, ValueError, KeyError, TypeError):
            log.warning("avatar skipped: its file is damaged", extra={"avatar": avatar_id})
            continue
        avatars[avatar_id] = Avatar(
            id=avatar_id, name=name, picture=picture, is_shipped=False, created_at=created_at
        )
    for leftover in (*folder.glob("avtr_*.png"), *folder.glob("avtr_*.part")):
        if not leftover.with_suffix(".json").exists():
            leftover.unlink(missing_ok=True)
    return avatars


def _write_upload(avatar: Avatar, image: RgbImage) -> None:
    listing = avatar.picture.with_suffix(".json")
    part = avatar.picture.with_suffix(".part")
    facts = {"name": avatar.name, "created_at": avatar.created_at}
    try:
        avatar.picture.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(part, format="PNG", optimize=False)
        os.replace(part, avatar.picture)
        part.write_text(json.dumps(facts), encoding="utf-8")
        os.replace(part, listing)
    except OSError:
        for path in (part, avatar.picture, listing):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
        raise


def _delete_upload(avatar: Avatar) -> None:
    avatar.picture.with_suffix(".json").unlink(missing_ok=True)
    avatar.picture.unlink(missing_ok=True)

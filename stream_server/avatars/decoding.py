"""Decodes uploaded pictures in a short-lived process with hard limits on memory and time."""

import asyncio
import contextlib
import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from realtime_model.contract import RgbImage
from stream_server.avatars.errors import BusyError, PictureError

_MOST_WAITING = 8
_CHILD = Path(__file__).with_name("decode_child.py")


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """What one picture may be, and may cost."""

    min_side_px: int
    max_side_px: int
    max_pixels: int
    memory_bytes: int
    timeout_s: float


class PictureDecoder:
    """Turns files into pixels: upright, RGB, without metadata.

    ``parallel`` files are read at a time; a few more may wait, and the rest is refused.
    """

    def __init__(self, limits: DecodeLimits, *, parallel: int = 2) -> None:
        self._limits = limits
        self._slots = asyncio.Semaphore(parallel)
        self._waiting = 0

    async def decode(self, content: bytes) -> RgbImage:
        """Return the picture, uint8 (height, width, 3).

        Raises:
            PictureError: the file is not a picture, is damaged, too small, or too large.
            BusyError: too many files wait.
        """
        if self._waiting == _MOST_WAITING:
            raise BusyError
        self._waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self._waiting -= 1
        try:
            head, pixels = await self._ask_child(content)
        finally:
            self._slots.release()
        try:
            answer = json.loads(head)
        except ValueError as exc:  # the child was ended by its limits, without a word
            raise PictureError(
                "too_complex",
                "The picture needs too much memory or time to be decoded.",
                "Scale the picture down, or save it again with another program.",
            ) from exc
        if "reason" in answer:
            raise PictureError(answer["reason"], answer["message"], answer["advice"])
        shape = (int(answer["height"]), int(answer["width"]), 3)
        return np.frombuffer(pixels, np.uint8).reshape(shape)

    async def _ask_child(self, content: bytes) -> tuple[bytes, bytes]:
        limits = self._limits
        arguments = (
            limits.memory_bytes,
            math.ceil(limits.timeout_s),
            limits.min_side_px,
            limits.max_side_px,
            limits.max_pixels,
        )
        # -I: neither the environment nor the current folder can change what the child imports.
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", str(_CHILD), *map(str, arguments)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            async with asyncio.timeout(limits.timeout_s):
                output, _ = await child.communicate(content)
        except TimeoutError:
            output = b""
        finally:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await child.wait()
        head, _, pixels = output.partition(b"\n")
        return head, pixels

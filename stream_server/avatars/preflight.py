"""Judges whether a picture can become an avatar, with reasons, and frames it."""

import asyncio
import threading
from dataclasses import dataclass

from realtime_model.contract import RgbImage
from realtime_model.face import FaceLandmarker
from realtime_model.portrait import PortraitCheck, check_portrait, frame_face, square_around
from stream_server.avatars.decoding import PictureDecoder
from stream_server.avatars.errors import AvatarError, PictureError

_STORED_PX = 512
"""Side of the framed square that is kept: twice what the small preset sees."""

Box = tuple[float, float, float, float]


class RejectedPortraitError(AvatarError):
    """A picture was read, but its content cannot become an avatar.

    Attributes:
        checks: the answer to every question, the failed one included.
        advice: what to do about the first failed one.
    """

    code = "bad_portrait"

    def __init__(self, checks: tuple[PortraitCheck, ...]) -> None:
        self.checks = checks
        failed = next(check for check in checks if not check.ok)
        self.advice = failed.advice
        super().__init__(failed.message)


@dataclass(frozen=True, slots=True)
class Framed:
    """A picture that passed.

    Attributes:
        image: the square around the person, uint8 RGB.
        checks: what was looked at.
    """

    image: RgbImage
    checks: tuple[PortraitCheck, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """What preflight says about a picture.

    Attributes:
        checks: in order; the first failed one decides.
        width_px: of the upright picture; 0 when it could not be read.
        height_px: likewise.
        crop: left, top, right, bottom of the square that would be used, in pixels of the upright
            picture; may reach outside. None where no face was found.
    """

    checks: tuple[PortraitCheck, ...]
    width_px: int = 0
    height_px: int = 0
    crop: Box | None = None

    @property
    def ok(self) -> bool:
        return all(check.ok for check in self.checks)


class Preflight:
    """Reads, judges and frames uploads, off the event loop."""

    def __init__(self, decoder: PictureDecoder, landmarker: FaceLandmarker) -> None:
        self._decoder = decoder
        self._landmarker = landmarker
        self._one_at_a_time = threading.Lock()  # the landmarker serves one thread

    async def report(self, content: bytes) -> Report:
        """Judge a file; every reason against it becomes a failed check."""
        try:
            image = await self._decoder.decode(content)
        except PictureError as exc:
            return Report((PortraitCheck(exc.reason, False, exc.message, exc.advice),))
        return await asyncio.to_thread(self._judge, image)

    async def frame(self, content: bytes) -> Framed:
        """Return the framed portrait of a file.

        Raises:
            PictureError: the file is not a picture we accept.
            RejectedPortraitError: the picture does not show what an avatar needs.
        """
        image = await self._decoder.decode(content)
        return await asyncio.to_thread(self._frame, image)

    def _judge(self, image: RgbImage) -> Report:
        height, width = image.shape[:2]
        with self._one_at_a_time:
            checks = (_readable(image), *check_portrait(image, self._landmarker))
            faces = self._landmarker.detect(image)
        return Report(checks, width, height, square_around(faces[0]) if faces else None)

    def _frame(self, image: RgbImage) -> Framed:
        with self._one_at_a_time:
            checks = (_readable(image), *check_portrait(image, self._landmarker))
            if not all(check.ok for check in checks):
                raise RejectedPortraitError(checks)
            face = self._landmarker.detect(image)[0]
        return Framed(frame_face(image, face, _STORED_PX).image, checks)


def _readable(image: RgbImage) -> PortraitCheck:
    height, width = image.shape[:2]
    return PortraitCheck("picture", True, f"The picture is {width} x {height} pixels.")

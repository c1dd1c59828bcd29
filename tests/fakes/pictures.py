"""Picture files for tests, good and bad, and a stand-in for the face landmarker."""

import io
import struct
import zlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from realtime_model.contract import RgbImage
from realtime_model.face import FACE_OVAL, Face


def picture(width: int = 200, height: int = 200) -> Image.Image:
    """A colourful gradient without a face."""
    y, x = np.mgrid[0:height, 0:width]
    pixels = np.stack([x * 255 // width, y * 255 // height, np.full_like(x, 90)], -1)
    return Image.fromarray(pixels.astype(np.uint8))


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def png_claiming(width: int, height: int) -> bytes:
    """A PNG of a few hundred bytes whose header promises any size: a decompression bomb."""

    def part(name: bytes, body: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(name + body))
        return struct.pack(">I", len(body)) + name + body + checksum

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(b"\0" * 100_000)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", head) + part(b"IDAT", rows) + part(b"IEND", b"")


class StagedLandmarker:
    """Reports the faces it was given, whatever the picture: a test decides what is seen."""

    def __init__(self, *faces: Face) -> None:
        self._faces = sorted(faces, key=lambda face: -face.width_px)

    def detect(self, image: RgbImage) -> list[Face]:
        return self._faces


def staged_face(x: float = 100, y: float = 100, width: float = 80, yaw_deg: float = 0) -> Face:
    """A face oval of 478 points around (x, y), turned by an angle."""
    landmarks: NDArray[np.float32] = np.tile(np.array([x, y, 0], np.float32), (478, 1))
    angles = np.linspace(0, 2 * np.pi, len(FACE_OVAL), endpoint=False)
    landmarks[list(FACE_OVAL), 0] = x + np.sin(angles) * width / 2
    landmarks[list(FACE_OVAL), 1] = y - np.cos(angles) * width * 0.65
    half, depth = width / 2, np.tan(np.radians(yaw_deg)) * width / 2
    landmarks[234], landmarks[454] = (x - half, y, -depth), (x + half, y, depth)
    landmarks[33], landmarks[263] = (x - width / 5, y, 0), (x + width / 5, y, 0)
    return Face(landmarks=landmarks, score=0.99)

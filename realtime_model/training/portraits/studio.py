"""The open folder of portraits: what is finished stays, what is new is framed, checked, written."""

from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from realtime_model.contract import RgbImage
from realtime_model.face import Face, FaceLandmarker
from realtime_model.training.portraits.config import Package, PortraitsConfig, Split, Style
from realtime_model.training.portraits.crop import crop_square, face_height, square_around
from realtime_model.training.portraits.manifest import Manifest, Portrait, load_manifest

_INNER_LIPS = (13, 14)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a picture comes from, as the manifest tells it."""

    package: Package
    source: str
    style: Style
    identity: str
    split: Split
    parents: tuple[str, ...] = ()
    age_years: int | None = None


class Studio:
    """Writes portraits into ``folder``; its manifest tells of each as soon as it is there.

    A run that was cut short goes on where it stopped; a changed recipe starts afresh.
    """

    def __init__(self, config: PortraitsConfig, folder: Path) -> None:
        self.config = config
        self.folder = folder
        self.landmarker = FaceLandmarker()
        self._done: dict[str, Portrait] = {}
        for split in ("train", "heldout"):
            (folder / split).mkdir(parents=True, exist_ok=True)
        self._resume()

    def __contains__(self, name: str) -> bool:
        """Whether nothing is left to do for this name: it is finished, or excluded."""
        return name in self._done or name in self.config.exclude

    def portraits(
        self, *, style: Style | None = None, split: Split | None = None
    ) -> list[Portrait]:
        """Return the finished portraits of a style and split, ordered by name."""
        return [
            p
            for _, p in sorted(self._done.items())
            if style in (None, p.style) and split in (None, p.split)
        ]

    def read(self, portrait: Portrait) -> RgbImage:
        return read_rgb((self.folder / portrait.file).read_bytes())

    def frame(self, image: RgbImage, face: Face) -> RgbImage | None:
        """Cut the generous square around a face; None where picture or face do not allow it."""
        limits = self.config
        if abs(face.yaw_deg) > limits.max_yaw_deg or face.width_px < limits.min_face_px:
            return None
        left, top, right, bottom = face.box
        height, width = image.shape[:2]
        if left < 0 or top < 0 or right > width or bottom > height:
            return None
        square = square_around(face.landmarks, factor=limits.crop_factor)
        if share_outside(square, width, height) > limits.max_outside:
            return None
        return crop_square(image, square, size_px=limits.image_px)

    def add(self, name: str, image: RgbImage, origin: Origin, *, face_px: int) -> bool:
        """Store a finished square, if the landmarker finds one frontal face in it."""
        faces = self.landmarker.detect(image)
        if not faces or abs(faces[0].yaw_deg) > self.config.max_yaw_deg:
            return False
        file = f"{origin.split}/{name}.png"
        write_png(self.folder / file, image)
        self._done[name] = Portrait(
            name=name,
            file=file,
            split=origin.split,
            style=origin.style,
            identity=origin.identity,
            face_px=face_px,
            mouth_gap=round(mouth_gap(faces[0]), 4),
            package=origin.package.name,
            version=origin.package.version,
            source=origin.source,
            licence=origin.package.licence,
            parents=origin.parents,
            age_years=origin.age_years,
        )
        self.save()  # each picture is known as soon as it lies there: a cut run loses nothing
        return True

    def keep_only(self, names: Set[str]) -> None:
        """Remove portraits that the recipe no longer asks for."""
        for name in self._done.keys() - names:
            (self.folder / self._done.pop(name).file).unlink()

    def save(self) -> Manifest:
        """Write the manifest and return it.

        Raises:
            SplitError: the recipe puts one identity on both sides.
        """
        manifest = Manifest(self.config.fingerprint(), tuple(self.portraits()))
        manifest.save(self.folder)
        return manifest

    def _resume(self) -> None:
        if (self.folder / "manifest.json").exists():
            old = load_manifest(self.folder)
            if old.recipe == self.config.fingerprint():
                kept = [p for p in old.portraits if p.name not in self.config.exclude]
                self._done = {p.name: p for p in kept if (self.folder / p.file).exists()}
        known = {self.folder / p.file for p in self._done.values()}
        for stray in self.folder.glob("*/*.png"):
            if stray not in known:
                stray.unlink()


def share_outside(square: tuple[float, float, float], width: int, height: int) -> float:
    """Return the share of a square's area that lies beyond a picture."""
    left, top, side = square
    across = min(left + side, width) - max(left, 0)
    down = min(top + side, height) - max(top, 0)
    return 1 - max(across, 0) * max(down, 0) / side**2


def mouth_gap(face: Face) -> float:
    """Return the distance between the inner lips, in heights of the face."""
    upper, lower = face.landmarks[list(_INNER_LIPS), :2]
    return float(np.linalg.norm(lower - upper)) / face_height(face.landmarks)


def read_rgb(content: bytes) -> RgbImage:
    """Decode a picture; transparent parts become white."""
    raw = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if raw is None:
        raise ValueError("not a picture that OpenCV can read")
    if raw.ndim == 2:
        return np.asarray(cv2.cvtColor(raw, cv2.COLOR_GRAY2RGB), np.uint8)
    colours = raw[..., 2::-1].astype(np.float32)
    if raw.shape[2] == 4:
        opacity = raw[..., 3:] / np.float32(255)
        colours = colours * opacity + 255 * (1 - opacity)
    return np.ascontiguousarray(colours, np.uint8)


def write_png(path: Path, image: RgbImage) -> None:
    """Write a picture whole or not at all."""
    draft = path.with_suffix(".part.png")
    cv2.imwrite(str(draft), image[..., ::-1])
    draft.replace(path)

"""A contact sheet of a dataset: a row of pictures a clip, for the eye to judge."""

from itertools import islice
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from emolive.ingest.clips import whole_or_not
from emolive.ingest.manifest import Manifest
from emolive.ingest.reading import FPS, FilmFile
from realtime_model.contract import RgbImage

_TILE_PX, _TILES, _ROWS = 160, 6, 40
_STEP_FRAMES: Final = 10
_CAPTION_PX: Final = 18


def write_sheet(manifest: Manifest) -> Path | None:
    """Write ``contact.jpg`` beside the manifest; of many clips, some from all over. None of none.

    Raises:
        OSError: the disk refuses.
    """
    kept = manifest.kept
    if not kept:
        return None
    chosen = [kept[i] for i in np.unique(np.linspace(0, len(kept) - 1, _ROWS).astype(int))]
    rows = []
    for film, clip in chosen:
        split = manifest.persons.get(film.person, "")
        caption = f"{clip.name}  {split}  {clip.frames / FPS:.1f} s  face {clip.face_px:.0f} px"
        rows.append(_row(manifest.clips / f"{clip.name}.mp4", f"{caption}  lag {clip.lag_frames}"))
    path = manifest.folder / "contact.jpg"
    _, coded = cv2.imencode(".jpg", cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR))
    with whole_or_not(path) as part:
        part.write_bytes(coded.tobytes())
    return path


def _row(path: Path, caption: str) -> RgbImage:
    pictures = list(islice(FilmFile(path).frames(), 0, _TILES * _STEP_FRAMES, _STEP_FRAMES))
    size = (_TILE_PX, _TILE_PX)
    tiles = [cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in pictures]
    tiles += [np.zeros((_TILE_PX, _TILE_PX, 3), np.uint8)] * (_TILES - len(tiles))
    head = np.zeros((_CAPTION_PX, _TILES * _TILE_PX, 3), np.uint8)
    cv2.putText(head, caption, (4, 13), 0, 0.4, (255, 255, 0), 1, cv2.LINE_AA)
    return np.asarray(np.vstack([head, np.hstack(tiles)]), np.uint8)

"""Contact sheets: all portraits of a split at a glance, for the eye to judge."""

from pathlib import Path

import cv2
import numpy as np

from realtime_model.contract import RgbImage
from realtime_model.training.portraits.studio import Studio, write_png

_TILE_PX, _COLUMNS, _ROWS = 192, 10, 5


def write_sheets(studio: Studio) -> list[Path]:
    """Write ``sheet-SPLIT-N.png`` files beside the manifest and return their paths."""
    for old in studio.folder.glob("sheet-*.png"):
        old.unlink()
    written = []
    for split in ("train", "heldout"):
        chosen = sorted(studio.portraits(split=split), key=lambda p: (p.style, p.name))
        tiles = [_tile(studio.read(p), f"{p.name} {p.face_px}") for p in chosen]
        for first in range(0, len(tiles), _COLUMNS * _ROWS):
            path = studio.folder / f"sheet-{split}-{first // (_COLUMNS * _ROWS)}.png"
            write_png(path, _grid(tiles[first : first + _COLUMNS * _ROWS]))
            written.append(path)
    return written


def _tile(image: RgbImage, caption: str) -> RgbImage:
    tile = cv2.resize(image, (_TILE_PX, _TILE_PX), interpolation=cv2.INTER_AREA).astype(np.uint8)
    tile[:16] //= 4
    cv2.putText(tile, caption, (3, 12), 0, 0.36, (255, 255, 0), 1, cv2.LINE_AA)
    return tile


def _grid(tiles: list[RgbImage]) -> RgbImage:
    blank = np.zeros((_TILE_PX, _TILE_PX, 3), np.uint8)
    tiles = tiles + [blank] * (-len(tiles) % _COLUMNS)
    rows = [np.hstack(tiles[i : i + _COLUMNS]) for i in range(0, len(tiles), _COLUMNS)]
    return np.vstack(rows)

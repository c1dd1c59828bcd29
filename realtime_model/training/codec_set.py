"""The rendered frames the codec is trained on, on disk: arrays that are mapped into memory."""

import json
import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np

from realtime_model.errors import TrainingError
from realtime_model.facemap import MAP_SIDE, draw_face_map
from realtime_model.portrait import FramedPortrait
from realtime_model.rig import displacement
from realtime_model.training.rig import RigFrame

_PX, _FLOW_CELLS, _MASK_PX = 256, 64, 128


class CodecSet:
    """A folder being filled: what was asked for, the arrays, and how many portraits are done.

    Files: frames.npy uint8 (n, 256, 256, 3), flows.npy float16 (n, 2, 64, 64), painted.npy uint8
    (n, 128, 128), who.npy int32 (n,), portraits.npy uint8 (p, 256, 256, 3), maps.npy float16
    (p, 10, 128, 128), set.json. A set that was begun with another plan is begun anew.

    Raises:
        TrainingError: the disk has no room for the arrays.
    """

    def __init__(self, out: Path, names: Sequence[str], poses_each: int, seed: int) -> None:
        out.mkdir(parents=True, exist_ok=True)
        self._state = out / "set.json"
        self._plan = {"names": list(names), "poses_each": poses_each, "seed": seed}
        self.done = self._done_before()
        shapes = _shapes(len(names), len(names) * poses_each)
        mode: Literal["r+", "w+"] = "r+" if self.done else "w+"
        if not self.done:
            _make_room(out, sum(d.itemsize * math.prod(s) for d, s in shapes.values()))
        self._arrays: dict[str, np.memmap[Any, Any]] = {
            name: np.lib.format.open_memmap(out / f"{name}.npy", mode, *shape)
            for name, shape in shapes.items()
        }

    def _done_before(self) -> int:
        if not self._state.is_file():
            return 0
        saved = json.loads(self._state.read_text())
        done = int(saved.pop("done"))
        return done if saved == self._plan else 0

    def write_portrait(self, number: int, portrait: FramedPortrait) -> None:
        self._arrays["portraits"][number] = portrait.image
        self._arrays["maps"][number] = draw_face_map(portrait.landmarks, _PX)

    def write_frame(self, row: int, number: int, frame: RigFrame) -> None:
        mask = (frame.painted * 255).astype(np.uint8)
        small = cv2.resize(mask, (_MASK_PX, _MASK_PX), interpolation=cv2.INTER_AREA)
        self._arrays["frames"][row] = frame.image
        self._arrays["flows"][row] = displacement(frame.source, _FLOW_CELLS)
        self._arrays["painted"][row] = small
        self._arrays["who"][row] = number

    def finish_portrait(self) -> None:
        """Note one more portrait as done: a kill from now on loses nothing of it."""
        for array in self._arrays.values():
            array.flush()
        self.done += 1
        part = self._state.with_suffix(".part")
        part.write_text(json.dumps({**self._plan, "done": self.done}))
        part.replace(self._state)


def _shapes(people: int, frames: int) -> dict[str, tuple[np.dtype[Any], tuple[int, ...]]]:
    byte, half = np.dtype(np.uint8), np.dtype(np.float16)
    return {
        "frames": (byte, (frames, _PX, _PX, 3)),
        "flows": (half, (frames, 2, _FLOW_CELLS, _FLOW_CELLS)),
        "painted": (byte, (frames, _MASK_PX, _MASK_PX)),
        "who": (np.dtype(np.int32), (frames,)),
        "portraits": (byte, (people, _PX, _PX, 3)),
        "maps": (half, (people, 10, MAP_SIDE, MAP_SIDE)),
    }


def _make_room(out: Path, needed_bytes: int) -> None:
    """Forget an older set; refuse a disk too full, which kills whoever writes a mapped page."""
    for old in out.glob("*.npy"):
        old.unlink()
    free_bytes = shutil.disk_usage(out).free
    if free_bytes < needed_bytes:
        raise TrainingError(
            f"{out} needs {needed_bytes / 1e9:.1f} GB and its disk has {free_bytes / 1e9:.1f} GB "
            "left: free some space, or ask for fewer poses"
        )

from pathlib import Path

import numpy as np
import pytest

from realtime_model.geometry import WindowGeometry
from stream_server.inference.shared import LentPicture, SharedSlots, borrowed_picture

GEOMETRY = WindowGeometry(width_px=64, height_px=48)


def test_what_one_side_writes_the_other_reads() -> None:
    ours = SharedSlots.create(GEOMETRY, 3)
    theirs = SharedSlots.attach(ours.name, GEOMETRY)
    try:
        for slot in range(3):
            ours.sound(slot)[:] = slot + 0.5
            theirs.frames(slot)[:] = slot + 7
        for slot in range(3):
            assert (theirs.sound(slot) == slot + 0.5).all()
            assert (ours.frames(slot) == slot + 7).all()
        assert ours.frames(0).shape == (4, 72, 64)
    finally:
        theirs.close()
        ours.close()


def test_nothing_is_left_behind() -> None:
    slots = SharedSlots.create(GEOMETRY, 1)
    picture = LentPicture(np.ones((8, 8, 3), np.uint8))
    names = [slots.name, picture.name]
    slots.close()
    picture.close()
    assert not any((Path("/dev/shm") / name).exists() for name in names)


def test_a_lent_picture_is_borrowed_as_a_copy() -> None:
    original = np.random.default_rng(1).integers(0, 255, (20, 30, 3), dtype=np.uint8)
    picture = LentPicture(original)
    borrowed = borrowed_picture(picture.name, (20, 30, 3))
    name = picture.name
    picture.close()
    np.testing.assert_array_equal(borrowed, original)
    with pytest.raises(FileNotFoundError):
        borrowed_picture(name, (20, 30, 3))

"""The regions of a face, against boxes drawn and a blur computed by hand."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from realtime_model.face import FACE_OVAL
from realtime_model.facemap import LIP_OUTLINE
from realtime_model.unet.masks import find_regions

SIZE = 512


def landmarks(face: tuple[float, ...], lips: tuple[float, ...]) -> NDArray[np.float32]:
    """Landmarks whose face and lips fill boxes (left, top, right, bottom)."""
    points = np.zeros((478, 3), np.float32)
    for parts, (left, top, right, bottom) in ((FACE_OVAL, face), (LIP_OUTLINE, lips)):
        points[list(parts), :2] = (left + right) / 2, (top + bottom) / 2
        points[parts[0], :2] = left, top
        points[parts[1], :2] = right, bottom
    return points


def bounds(mask: NDArray[np.float32]) -> tuple[int, ...]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def softened(box: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """A Gaussian blur of (64, 64) in [0, 1], scaled to fill [0, 1] again."""
    sigma = 0.3 * ((size - 1) * 0.5 - 1) + 0.8
    at = np.arange(size) - size // 2
    kernel = np.exp(-(at**2) / (2 * sigma**2))
    kernel /= kernel.sum()
    padded = np.pad(box, size // 2, "reflect")
    for axis in (0, 1):
        padded = np.apply_along_axis(np.convolve, axis, padded, kernel, "valid")
    low, high = padded.min(), padded.max()
    scaled: NDArray[np.float64] = (padded - low) / (high - low)
    return scaled


CENTRED = landmarks((200, 160, 300, 320), (230, 260, 270, 280))


def test_the_box_is_the_face_and_a_fifth_more() -> None:
    box = find_regions(CENTRED, SIZE, 64).box
    assert box.shape == (1, 3, SIZE, SIZE)
    assert set(box.flatten().tolist()) == {0, 1}
    assert bounds(box[0, 0].numpy()) == (190, 144, 310, 336)


def test_a_box_that_would_leave_the_picture_moves_inwards() -> None:
    at_edge = landmarks((10, 400, 110, 500), (40, 460, 60, 470))
    box = find_regions(at_edge, SIZE, 64).box
    assert bounds(box[0, 0].numpy()) == (0, 390, 120, 510)
    low = landmarks((200, 460, 300, 510), (240, 480, 260, 490))
    assert bounds(find_regions(low, SIZE, 64).box[0, 0].numpy()) == (190, 452, 310, 512)


def test_masks_are_blurred_boxes_taken_apart() -> None:
    pose, face, lips = find_regions(CENTRED, SIZE, 64).masks[0][0].view(3, 64, 64).double()
    drawn = np.zeros((SIZE, SIZE))
    drawn[144:336, 190:310] = 1
    cells = drawn.reshape(64, 8, 64, 8)[:, 3:5, :, 3:5].mean((1, 3))  # bilinear: middle pixels
    soft_face = softened(cells, 51)
    drawn[:] = 0
    drawn[250:290, 210:290] = 1
    soft_lips = softened(drawn.reshape(64, 8, 64, 8)[:, 3:5, :, 3:5].mean((1, 3)), 31)
    for ours, expected in (
        (pose, 1 - soft_face),
        (face, (soft_face - soft_lips).clip(0)),
        (lips, soft_lips),
    ):
        # Bytes are blurred, then scaled up, and their rounding with them.
        assert np.abs(ours.numpy() - expected).max() < 8 / 255


def test_masks_of_deeper_widths_are_averages() -> None:
    masks = find_regions(CENTRED, SIZE, 64).masks
    assert [m.shape for m in masks] == [(1, 3, n * n) for n in (64, 32, 16, 8)]
    for deeper in masks[1:]:
        assert torch.allclose(deeper.mean(2), masks[0].mean(2), atol=0.01)
        assert 0 <= float(deeper.min()) <= float(deeper.max()) <= 1


@pytest.mark.parametrize("side", [32, 64])
def test_regions_fit_the_latent(side: int) -> None:
    regions = find_regions(CENTRED / 2, 256, side)
    assert regions.box.shape[-1] == 8 * side
    assert [m.shape[-1] for m in regions.masks] == [(side >> d) ** 2 for d in range(4)]

"""The codec returns the portrait's own pixels, moved; it paints only inside its window."""

from collections.abc import Callable
from copy import deepcopy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from realtime_model.autoencoder import Codec, Pyramid, _doubled, _show, latent_of
from realtime_model.config import ModelConfig
from realtime_model.facemap import draw_face_map
from realtime_model.portrait import FramedPortrait


@pytest.fixture
def codec(tiny: ModelConfig) -> Codec:
    return Codec(tiny.codec).eval().requires_grad_(False)


@pytest.fixture
def shaken(codec: Codec, shake: Callable[[nn.Module], None]) -> Codec:
    shake(codec)
    return codec


@pytest.fixture
def person(framed: FramedPortrait) -> tuple[Tensor, Tensor]:
    picture = torch.from_numpy(framed.image.copy()).permute(2, 0, 1)[None] / 127.5 - 1
    return picture, torch.from_numpy(draw_face_map(framed.landmarks, 256))[None]


def shifted(person: tuple[Tensor, Tensor], cells: int) -> tuple[Tensor, Tensor]:
    """Somebody whose face, and so whose painted window, lies elsewhere."""
    picture, face_map = person
    return picture.roll(4 * cells, 3), face_map.roll(2 * cells, 3)


def test_before_training_a_still_latent_gives_the_portrait_back(
    codec: Codec, person: tuple[Tensor, Tensor]
) -> None:
    decoded = codec.decoder(torch.zeros(1, 2, 8, 8), codec.reference(*person))
    assert torch.equal(decoded.flow, torch.zeros_like(decoded.flow))
    assert torch.allclose(decoded.warped, person[0], atol=1e-4)
    assert torch.allclose(decoded.image, decoded.warped)


def test_before_training_the_latent_is_the_motion(
    codec: Codec, person: tuple[Tensor, Tensor]
) -> None:
    moved = torch.full((1, 2, 64, 64), 0.0)
    moved[:, 0] = 2 * 8 / 256  # eight pixels to the right
    decoded = codec.decoder(latent_of(moved, 8), codec.reference(*person))
    assert torch.allclose(decoded.flow, moved, atol=1e-6)
    assert torch.allclose(decoded.warped[..., :240], person[0][..., 8:248], atol=1e-3)


def test_outside_the_window_every_pixel_is_the_warped_portrait(
    shaken: Codec, person: tuple[Tensor, Tensor]
) -> None:
    pyramid = shaken.reference(*person)
    decoded = shaken.decoder(torch.randn(1, 2, 8, 8), pyramid)
    top, left = (4 * v for v in pyramid.window[0].tolist())
    side = decoded.mask.shape[-1]
    different = (decoded.image != decoded.warped).any(1)[0]
    assert different[top : top + side, left : left + side].float().mean() > 0.5
    different[top : top + side, left : left + side] = False
    assert not different.any()


def test_the_window_holds_eyes_and_mouth(codec: Codec, person: tuple[Tensor, Tensor]) -> None:
    top, left = codec.reference(*person).window[0].tolist()
    cells = codec.decoder.window_cells
    marked = F.max_pool2d(person[1][:, 4:7].amax(1, keepdim=True), 2)[0, 0] > 0.3
    inside = marked[top : top + cells, left : left + cells]
    assert inside.sum() == marked.sum() > 0


def test_a_batch_of_different_people_equals_one_by_one(
    shaken: Codec, person: tuple[Tensor, Tensor]
) -> None:
    one, two = shaken.reference(*person), shaken.reference(*shifted(person, 6))
    assert not torch.equal(one.window, two.window)
    latent = torch.randn(2, 2, 8, 8)
    both = shaken.decoder(latent, Pyramid.stack([one, two])).image
    alone = [shaken.decoder(latent[i : i + 1], p).image[0] for i, p in enumerate((one, two))]
    assert torch.allclose(both, torch.stack(alone), atol=1e-3)  # an eighth of a level of 255


def test_expanding_repeats_people_side_by_side(
    shaken: Codec, person: tuple[Tensor, Tensor]
) -> None:
    one, two = shaken.reference(*person), shaken.reference(*shifted(person, 6))
    pair = Pyramid.stack([one, two])
    assert pair.expand(2) is pair
    four = pair.expand(4)
    assert four.window[:, 1].tolist() == [pair.window[i, 1].item() for i in (0, 0, 1, 1)]
    assert one.expand(3).f64.data_ptr() == one.f64.data_ptr()


def test_one_row_picked_often_is_not_copied(shaken: Codec, person: tuple[Tensor, Tensor]) -> None:
    pair = Pyramid.stack([shaken.reference(*person), shaken.reference(*shifted(person, 6))])
    often = pair.pick(torch.tensor([1, 1, 1]))
    assert often.f64.data_ptr() == pair.f64[1:].data_ptr()
    mixed = pair.pick(torch.tensor([1, 0, 0, 1]))
    assert [p is pair.pictures[1] for p in mixed.pictures] == [True, False, False, True]
    latent = torch.randn(1, 2, 8, 8).expand(4, -1, -1, -1)
    frames = shaken.decoder(latent, mixed).image
    alone = shaken.decoder(latent[:3], often).image
    assert torch.allclose(frames[[0, 3]], alone[:2], atol=1e-3)
    assert torch.allclose(frames[1], frames[2], atol=1e-3)
    assert not torch.allclose(frames[0], frames[1], atol=1e-1)


def test_a_warp_by_half_a_pixel_keeps_what_is_sharp() -> None:
    # A picture of fine stripes, fetched from between its pixels, keeps their contrast; the mean of
    # two neighbours would not.
    picture = torch.sin(torch.arange(256) * 2.0).expand(1, 3, 256, 256)
    moved = torch.zeros(1, 2, 256, 256)
    moved[:, 0] = 1 / 256
    shown = _show(tuple(_doubled(picture)), moved)[..., 8:-8] / 127.5 - 1
    halves = ((picture[..., 1:] + picture[..., :-1]) / 2)[..., 8:-7]
    assert float(shown.std()) == pytest.approx(float(picture.std()), rel=0.05)
    assert halves.std() < 0.6 * picture.std()
    still = _show(tuple(_doubled(picture)), 0 * moved)
    assert torch.allclose(still / 127.5 - 1, picture, atol=1e-3)


def test_pixels_are_the_image_in_levels(shaken: Codec, person: tuple[Tensor, Tensor]) -> None:
    decoded = shaken.decoder(torch.randn(1, 2, 8, 8), shaken.reference(*person))
    levels = (decoded.image.clamp(-1, 1) + 1) * 127.5
    assert decoded.pixels().dtype == torch.uint8
    assert (decoded.pixels().permute(0, 3, 1, 2).float() - levels).abs().max() <= 0.51


def test_the_order_in_memory_changes_no_picture(
    shaken: Codec, person: tuple[Tensor, Tensor]
) -> None:
    latent = torch.randn(1, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    plain = shaken.decoder(latent, shaken.reference(*person)).image
    ordered = deepcopy(shaken)
    ordered.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    pyramid = ordered.reference(*person)
    assert pyramid.f64.is_contiguous(memory_format=torch.channels_last)
    assert torch.allclose(ordered.decoder(latent, pyramid).image, plain, atol=1e-4)


def test_the_picture_leaves_a_detached_flow_alone(
    shaken: Codec, person: tuple[Tensor, Tensor]
) -> None:
    pyramid = shaken.reference(*person)
    reached = []
    for detach in (True, False):
        latent = torch.randn(1, 2, 8, 8, requires_grad=True)
        decoded = shaken.decoder(latent, pyramid, detach_flow=detach)
        decoded.warped.sum().backward() if decoded.warped.requires_grad else None
        reached.append(latent.grad is not None)
    assert reached == [False, True]


def test_a_latent_is_the_mean_motion_of_each_cell() -> None:
    moved = torch.zeros(1, 2, 64, 64)
    moved[0, 1, 8:16, 16:24] = 0.05
    latent = latent_of(moved, 8)
    assert latent.shape == (1, 2, 8, 8)
    assert latent[0, 1, 1, 2] == pytest.approx(1.0)
    assert latent.abs().sum() == pytest.approx(1.0)

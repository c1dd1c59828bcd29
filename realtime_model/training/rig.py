"""The photo rig: a portrait that acts, drawn frame by frame and exactly labelled.

The motion is `realtime_model.rig`'s; here the pixels follow it and the mouth is painted behind the
lips. Labels: displacement, painted regions, opening.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime_model.contract import RgbImage
from realtime_model.mesh import LOWER_INNER_LIP, UPPER_INNER_LIP
from realtime_model.portrait import FramedPortrait
from realtime_model.rig import FaceRig, Pose, distance
from realtime_model.training.mouth import MouthPainter

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class RigFrame:
    """One animated frame with its labels.

    Attributes:
        image: uint8 RGB (h, w, 3).
        source: float32 (h, w, 2): for each pixel the portrait pixel (x, y) it shows.
        painted: float32 (h, w) in [0, 1]: where the frame shows what the portrait does not.
        landmarks: float32 (478, 3) after the motion, pixels.
        opening: gap between the inner lips over the width of the face, 0 when closed.
    """

    image: RgbImage
    source: Floats
    painted: Floats
    landmarks: Floats
    opening: float


class PhotoRig(FaceRig):
    """Animates one portrait. Pure: the same pose gives the same frame."""

    def __init__(self, portrait: FramedPortrait) -> None:
        super().__init__(portrait.landmarks, portrait.image.shape[0])
        self.image = portrait.image
        self._mouth = MouthPainter(self.image, self.rest)

    def render(self, pose: Pose) -> RigFrame:
        """Draw one frame."""
        moved, rigid = self.landmarks(pose)
        source = self.source_between(moved, rigid, pose.gaze)
        x, y = source[..., 0], source[..., 1]
        warped = cv2.remap(self.image, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        lips = [*UPPER_INNER_LIP, *reversed(LOWER_INNER_LIP)]
        image, painted = self._mouth.paint(
            np.asarray(warped, np.uint8), moved[lips, :2], moved, rigid
        )
        opening = distance(moved, 13, 14) / self.face_width_px
        return RigFrame(image, source, painted, moved.astype(np.float32), opening)

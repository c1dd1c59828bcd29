"""The rig as the measure: the same portrait saying the same clip, filmed and read the same way.

The landmarker under-reads some mouths and sees others open that are closed. What it reads off the
rig's frames is the best that any film of this portrait can reach.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from realtime_model.face import FaceLandmarker
from realtime_model.portrait import FramedPortrait
from realtime_model.rig import Pose, arkit_labels
from realtime_model.training.evaluation import Tracked, track
from realtime_model.training.motion import loudness_of, perform
from realtime_model.training.rendering import Clip
from realtime_model.training.rig import PhotoRig

_EVERY = 2
_MOST = 150


@dataclass(frozen=True, slots=True)
class Played:
    """What the landmarker read off the rig's film.

    Attributes:
        numbers: of the frames that were drawn, (n,).
        seen: the readings, one a drawn frame.
        zero: what it reads where the rig shows the portrait with its mouth closed.
    """

    numbers: NDArray[np.int64]
    seen: Tracked
    zero: float


def play(portrait: FramedPortrait, clip: Clip, landmarker: FaceLandmarker, seed: int) -> Played:
    """Let the rig act a clip; every second frame is drawn, at most 150 of them (12 s)."""
    rig = PhotoRig(portrait)
    numbers = np.arange(0, len(clip.mouth), _EVERY)[:_MOST]
    acted = perform(clip.mouth, loudness_of(clip.audio, len(clip.mouth)), seed)
    seen = track((rig.render(acted.pose(int(n))).image for n in numbers), landmarker)
    return Played(numbers, seen, _closed_reading(rig, landmarker))


def _closed_reading(rig: PhotoRig, landmarker: FaceLandmarker) -> float:
    """The opening that is read off a closed mouth; the second look is as steady as in a film."""
    closed = rig.render(Pose(np.zeros(len(arkit_labels()), np.float32))).image
    return float(track([closed, closed], landmarker).opening[-1])


def rig_opening(portrait: FramedPortrait, clip: Clip) -> NDArray[np.float32]:
    """The rig's own mouth opening for a clip, from the curves alone: no picture is drawn."""
    rig = PhotoRig(portrait)
    return np.array([rig.lips_of(Pose(shapes))[0] for shapes in clip.mouth], np.float32)

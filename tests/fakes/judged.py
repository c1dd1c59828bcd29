"""A judged clip with the figures a test asks for."""

import numpy as np

from realtime_model.training.judging.clip import Curves, Judged
from realtime_model.training.judging.figures import ClipFigures


def judged(name: str, lips: float) -> Judged:
    figures = ClipFigures(
        portrait=name,
        style="photo",
        clip="voice-0",
        language="it",
        seconds=2.0,
        lips=lips,
        lag_frames=0,
        lips_shuffled=0.0,
        rig_lips=0.95,
        spread=1.0,
        silent_opening=None,
        closures=1.0,
        closures_of=1,
        rig_closures=1.0,
        vowels_above=None,
        vowels_of=0,
        rounding=None,
        rig_rounding=None,
        sync=0.9,
        sync_of=40,
        sync_offset=0.0,
        rig_sync=0.95,
        blinks_per_minute=15.0,
        head_deg=2.0,
        rig_head_deg=2.0,
        identity_median=None,
        identity_max=None,
        background=0.0,
        flicker=0.0,
        seam=1.0,
        sharpness=1.0,
        lost_frames=0.0,
    )
    time = np.arange(50, dtype=np.float32)
    curves = Curves(
        np.sin(time), np.cos(time[::2]), np.arange(0, 50, 2), np.abs(np.sin(time)), ((0.4, 0.5),)
    )
    return Judged(figures, curves, np.full((128, 1280, 3), 90, np.uint8))

"""The stages that fill a folder of portraits, in the order in which they depend on each other."""

from collections.abc import Callable, Iterator
from pathlib import Path

from realtime_model.training.portraits.filters import collect_filtered
from realtime_model.training.portraits.morphs import collect_morphs
from realtime_model.training.portraits.photos import collect_photos
from realtime_model.training.portraits.renders import (
    collect_children,
    collect_crowd,
    collect_renders,
)
from realtime_model.training.portraits.studio import Studio

Stage = Callable[[Studio, Path], Iterator[str]]
"""Adds portraits to a studio, reading packages from a folder; yields each name it dealt with."""

STAGES: tuple[tuple[str, Stage], ...] = (
    ("photos", collect_photos),
    ("morphs", collect_morphs),
    ("filters", collect_filtered),
    ("renders", collect_renders),
    ("children", collect_children),
    ("crowd", collect_crowd),
)

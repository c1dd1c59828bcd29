"""The figures of a judgement: one row a clip, one summary, one table a group."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np
from numpy.typing import NDArray

from realtime_model.training.speech.config import style_of


def tongue_of(clip: str, language: str) -> str:
    """The style of a clip that is not plainly spoken, else its language without the country."""
    style = style_of(clip)
    return language.split("-")[0] if style == "spoken" else style


@dataclass(frozen=True, slots=True)
class ClipFigures:
    """Figures of one portrait saying one clip; None where a clip cannot tell.

    Attributes:
        style: what kind of picture the portrait is.
        language: of the clip, as in `Clip`.
        seconds: length of the film.
        lips: correlation of the mouth's opening with the rig's curve, best within 2 frames.
        lag_frames: that lag, positive when the model is late.
        lips_shuffled: the same against another clip's curve.
        rig_lips: the rig's own frames, read the same way, against the curve: the ceiling.
        spread: deviation of the opening, over that of the rig's frames.
        silent_opening: opening in silence over the speaking range.
        closures: share of p, b and m that close the lips.
        closures_of: how many there are.
        rig_closures: the same off the rig's frames.
        vowels_above: share of vowels that open further than a lip consonant beside them.
        vowels_of: how many pairs there are.
        rounding: how much narrower the mouth is on u, o, w than on i, e, in its deviations.
        rig_rounding: the same off the rig's frames.
        sync: share of the seconds of speech in which sound and mouth belong together.
        sync_of: how many seconds there are; they overlap.
        sync_offset: frames by which the mouth is late, in its eyes.
        rig_sync: the same share off the rig's frames.
        blinks_per_minute: closings of both eyes.
        head_deg: deviation of pitch, yaw and roll together, in degrees.
        rig_head_deg: the same off the rig's frames.
        identity_median: face-embedding distance of frames to the portrait.
        identity_max: the largest of these distances.
        background: mean absolute change between frames in the upper corners, of 255.
        flicker: mean absolute second difference there, of 255.
        seam: change of the face across chunk edges over that inside chunks.
        sharpness: Laplacian variance inside the face over the portrait's.
        lost_frames: share of frames in which the landmarker found no face.
    """

    portrait: str
    style: str
    clip: str
    language: str
    seconds: float
    lips: float
    lag_frames: int
    lips_shuffled: float
    rig_lips: float | None
    spread: float
    silent_opening: float | None
    closures: float | None
    closures_of: int
    rig_closures: float | None
    vowels_above: float | None
    vowels_of: int
    rounding: float | None
    rig_rounding: float | None
    sync: float | None
    sync_of: int
    sync_offset: float | None
    rig_sync: float | None
    blinks_per_minute: float
    head_deg: float
    rig_head_deg: float
    identity_median: float | None
    identity_max: float | None
    background: float
    flicker: float
    seam: float
    sharpness: float
    lost_frames: float

    @property
    def tongue(self) -> str:
        """What a listener would say first: its style if it is not plain speech, or its language."""
        return tongue_of(self.clip, self.language)

    @property
    def is_recorded(self) -> bool:
        """Whether a person spoke it: its curve is then as good as the alignment of its text."""
        return self.clip.startswith("prompts-")


@dataclass(frozen=True, slots=True)
class GroupFigures:
    """Means over the clips of one kind; None where none of them can tell.

    Attributes:
        group: what they have in common: ``tongue``, ``language``, ``style`` or ``voice``.
        name: the tongue, the language, the style of the portrait, the voice.
        clips: how many.
        lips_worst: the lowest correlation among them.
    """

    group: str
    name: str
    clips: int
    lips: float
    lips_worst: float
    rig_lips: float | None
    spread: float
    closures: float | None
    identity_median: float | None


Reduce = Callable[[NDArray[np.float64]], np.floating]

# Name in the summary, field of the clips, how they are put together.
_SUMMARY: tuple[tuple[str, str, Reduce], ...] = (
    ("lips_mean", "lips", np.mean),
    ("lips_worst", "lips", np.min),
    ("rig_lips", "rig_lips", np.mean),
    ("lips_shuffled_mean", "lips_shuffled", np.mean),
    ("lag_frames_median", "lag_frames", np.median),
    ("spread_median", "spread", np.median),
    ("silent_opening", "silent_opening", np.median),
    ("silent_opening_worst", "silent_opening", np.max),
    ("rounding", "rounding", np.mean),
    ("rig_rounding", "rig_rounding", np.mean),
    ("sync_offset_median", "sync_offset", np.median),
    ("rig_sync", "rig_sync", np.mean),
    ("blinks_per_minute", "blinks_per_minute", np.mean),
    ("head_deg", "head_deg", np.mean),
    ("rig_head_deg", "rig_head_deg", np.mean),
    ("identity_median", "identity_median", np.median),
    ("identity_max", "identity_max", np.max),
    ("background_change", "background", np.mean),
    ("flicker", "flicker", np.mean),
    ("seam_mean", "seam", np.mean),
    ("seam_worst", "seam", np.max),
    ("sharpness_median", "sharpness", np.median),
    ("lost_frames", "lost_frames", np.mean),
)
# Shares are counted over the phones of all clips: a clip with two of them weighs little.
_COUNTED = (
    ("closures", "closures", "closures_of"),
    ("rig_closures", "rig_closures", "closures_of"),
    ("vowels_above", "vowels_above", "vowels_of"),
    ("sync", "sync", "sync_of"),
)


def values(figures: Sequence[ClipFigures], name: str) -> NDArray[np.float64]:
    """One field of all clips that can tell."""
    found = (getattr(f, name) for f in figures)
    return np.array([v for v in found if v is not None], np.float64)


def summarise(figures: Sequence[ClipFigures]) -> dict[str, float]:
    """Means, medians and extremes over all clips; what no clip can tell is left out.

    The lips of every tongue have a figure of their own, ``lips_it``, ``lips_sung``..., and so have
    the clips whose voices tell the times of their sounds, and those that people spoke.
    """
    out = {
        name: float(reduce(found))
        for name, field, reduce in _SUMMARY
        if len(found := values(figures, field))
    }
    for name, field, count in _COUNTED:
        if (share := _pooled(figures, field, count)) is not None:
            out[name] = share
    for tongue in sorted({f.tongue for f in figures}):
        found = values([f for f in figures if f.tongue == tongue], "lips")
        out[f"lips_{tongue}"] = float(found.mean())
    recorded = [f for f in figures if f.is_recorded]
    timed = [f for f in figures if not f.is_recorded]
    for kind, some in (("timed", timed), ("recorded", recorded)):
        if some:
            out[f"lips_{kind}"] = float(values(some, "lips").mean())
    for name, count in (("closures", "closures_of"), ("vowels_above", "vowels_of")):
        if (share := _pooled(recorded, name, count)) is not None:
            out[f"{name}_recorded"] = share
    return {name: round(value, 4) for name, value in out.items()}


def group(figures: Sequence[ClipFigures]) -> list[GroupFigures]:
    """Figures by tongue, by language, by style of the portrait, and by voice."""
    keys: Mapping[str, Callable[[ClipFigures], str]] = {
        "tongue": lambda f: f.tongue,
        "language": lambda f: f.language,
        "style": lambda f: f.style,
        "voice": lambda f: f.clip.rsplit("-", 1)[0],
    }
    out = []
    for kind, key in keys.items():
        for name in sorted({key(f) for f in figures}):
            out.append(_group(kind, name, [f for f in figures if key(f) == name]))
    return out


def _group(kind: str, name: str, figures: Sequence[ClipFigures]) -> GroupFigures:
    def mean(field: str) -> float | None:
        found = values(figures, field)
        return round(float(found.mean()), 4) if len(found) else None

    share = _pooled(figures, "closures", "closures_of")
    return GroupFigures(
        group=kind,
        name=name,
        clips=len(figures),
        lips=round(float(values(figures, "lips").mean()), 4),
        lips_worst=round(float(values(figures, "lips").min()), 4),
        rig_lips=mean("rig_lips"),
        spread=round(float(values(figures, "spread").mean()), 4),
        closures=None if share is None else round(share, 4),
        identity_median=mean("identity_median"),
    )


def _pooled(figures: Sequence[ClipFigures], field: str, count: str) -> float | None:
    """The share over all cases of all clips."""
    held = total = 0.0
    for f in figures:
        value, cases = getattr(f, field), getattr(f, count)
        if value is not None:
            held, total = held + value * cases, total + cases
    return held / total if total else None


def as_plain(rows: Sequence[ClipFigures] | Sequence[GroupFigures]) -> list[dict[str, object]]:
    """For JSON."""
    return [
        {k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(row).items()}
        for row in rows
    ]


def clip_fields() -> tuple[str, ...]:
    """Names of the columns of a clip's row."""
    return tuple(field.name for field in fields(ClipFigures))

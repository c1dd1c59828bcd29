"""What a good avatar reaches: the one place that holds the targets, and what each figure means."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Target:
    """Where a figure should lie.

    Attributes:
        meaning: what it says, for somebody who reads the report first.
        low: the smallest good value; None if any.
        high: the largest good value; None if any.
    """

    meaning: str
    low: float | None = None
    high: float | None = None

    @property
    def asked(self) -> bool:
        return self.low is not None or self.high is not None

    @property
    def text(self) -> str:
        if self.low is not None and self.high is not None:
            return f"{self.low:g} to {self.high:g}"
        if self.low is not None:
            return f"at least {self.low:g}"
        return "" if self.high is None else f"at most {self.high:g}"

    def holds(self, value: float) -> bool:
        """Whether a value lies there; not-a-number never does."""
        above = self.low is None or value >= self.low
        return above and (self.high is None or value <= self.high)


_TONGUE_LOW = 0.75


def target_of(figure: str) -> Target:
    """Return the target of a figure; ``lips_`` and a tongue is known for any tongue.

    Raises:
        KeyError: nobody reports such a figure.
    """
    if figure in TARGETS:
        return TARGETS[figure]
    name, _, tongue = figure.partition("_")
    if name != "lips" or not tongue:
        raise KeyError(figure)
    return Target(f"mouth opening against the rig's curve, clips in '{tongue}'", low=_TONGUE_LOW)


def in_order(summary: Mapping[str, float]) -> dict[str, float]:
    """Sort figures as the targets are; those of single tongues follow the worst clip."""
    places = {name: place for place, name in enumerate(TARGETS)}
    tongues = places["lips_worst"] + 0.5
    return dict(sorted(summary.items(), key=lambda item: places.get(item[0], tongues)))


TARGETS: Mapping[str, Target] = MappingProxyType(
    {
        "lips_mean": Target("mouth opening against the rig's curve, correlation", low=0.85),
        "lips_worst": Target("the same, worst clip", low=0.6),
        "lips_timed": Target("mouth opening against it, voices with exact times", low=0.85),
        "lips_recorded": Target("mouth opening against it, people: an aligned curve"),
        "rig_lips": Target("the rig's own frames against it: the ceiling of this judge"),
        "lips_shuffled_mean": Target("the same against another clip's curve", high=0.2),
        "lag_frames_median": Target("frames by which the mouth is late", low=-1, high=1),
        "spread_median": Target("how far the mouth moves, over the rig's frames", 0.8, 1.2),
        "silent_opening": Target("opening in silence, share of the speaking range", high=0.15),
        "silent_opening_worst": Target("the same, worst clip", high=0.15),
        "closures": Target("p, b and m that close the lips", low=0.8),
        "closures_recorded": Target("the same, people alone", low=0.8),
        "rig_closures": Target("the same, the rig's own frames, every second one"),
        "vowels_above": Target("vowels that open further than p, b, m, f, v beside", low=0.9),
        "vowels_above_recorded": Target("the same, people alone", low=0.9),
        "rounding": Target("mouth narrower on u, o, w than on i, e, in deviations", low=1.0),
        "rig_rounding": Target("the same, the rig's own frames"),
        "sync": Target("seconds in which sound and mouth are found within a frame", low=0.9),
        "sync_offset_median": Target("frames by which the sync scorer finds it late", -1, 1),
        "rig_sync": Target("the same share, the rig's own frames, every second one"),
        "blinks_per_minute": Target("blinks a minute", 8, 30),
        "head_deg": Target("deviation of the head's pitch, yaw and roll, degrees", 0.7, 6),
        "rig_head_deg": Target("the same, the rig's own frames"),
        "identity_median": Target("face-embedding distance to the portrait", high=0.35),
        "identity_max": Target("the same, worst frame; same person below 0.6", high=0.55),
        "background_change": Target("change between frames in the upper corners, of 255", high=0.5),
        "flicker": Target("to and fro of the upper corners, of 255", high=0.5),
        "seam_mean": Target("change across chunk edges over that inside chunks", high=1.1),
        "seam_worst": Target("the same, worst clip", high=1.3),
        "sharpness_median": Target("sharpness of the face over the portrait's", low=0.85),
        "codec_psnr": Target("the rig's motion through the codec, whole frame, dB", low=27),
        "warp_psnr": Target("the same, the portrait moved exactly and not painted"),
        "codec_mouth": Target("the same through the codec, lips and what is between, dB", low=23),
        "warp_mouth": Target("the same, moved and not painted"),
        "codec_inside": Target("the same through the codec, teeth, tongue and hollow only, dB"),
        "warp_inside": Target("the same, moved and not painted"),
        "heard": Target("opening as the ear alone reads it, correlation", low=0.8),
        "heard_quiet": Target("the same, 30 dB quieter"),
        "heard_call": Target("the same, Opus of 8 kb/s with one packet in twenty lost"),
        "heard_room": Target("the same, in a room that rings for half a second"),
        "heard_noise": Target("the same, pink noise 10 dB below the voice"),
        "heard_music": Target("the same, music 10 dB below it"),
        "heard_babble": Target("the same, another person 10 dB below"),
        "teacher_lips": Target("mouth opening of the teacher, forty steps, first clips"),
        "lips_of_teacher": Target("the student's on those clips, over the teacher's", low=0.97),
        "identity_of_teacher": Target("identity distance on them, over the teacher's", high=1.03),
        "lost_frames": Target("share of frames in which no face is found", high=0.01),
        "drift_identity": Target("growth of the identity distance over the long film", high=0.02),
        "drift_colour": Target("change of the face's colour over the long film, share", high=0.02),
        "drift_sharpness": Target("change of the sharpness over the long film, share", high=0.02),
    }
)

"""Picks who says what: held-out portraits of every style, clips of every tongue and voice."""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar
from zipfile import BadZipFile

import numpy as np

from realtime_model.errors import ModelError
from realtime_model.face import FaceLandmarker
from realtime_model.portrait import check_portrait
from realtime_model.training.judging.clip import Case
from realtime_model.training.judging.figures import tongue_of
from realtime_model.training.motion import FPS
from realtime_model.training.rendering import Clip, Sitter, load_clips, load_sitters
from realtime_model.training.speech.phones import Phone

_SHORTEST_S, _LONGEST_S = 3, 12
# What people call the styles of the manifest.
_STYLES = {"painting": "painted", "drawing": "drawn"}

T = TypeVar("T")


def load_cases(runs: Path, *, clips: int, portraits: int) -> list[Case]:
    """Read the held-out side of the corpus and pair it: every portrait and every clip once.

    Args:
        runs: folder of the corpus.
        clips: how many clips at most.
        portraits: how many portraits at most.

    Raises:
        ModelError: it is not there; the text names the commands that make it.
    """
    speech = runs / "corpus" / "speech"
    try:
        styles = read_styles(runs / "portraits")
        sitters = pick_sitters(_usable(runs / "portraits"), styles, portraits)
        spoken = pick_clips(load_clips(speech, "heldout"), clips)
        phones = {clip.name: read_phones(speech / f"{clip.name}.npz") for clip in spoken}
    except OSError as exc:
        raise ModelError(f"no corpus in {runs}: run 'emolive train portraits' first") from exc
    except (BadZipFile, KeyError, TypeError, ValueError) as exc:
        raise ModelError(f"the corpus in {runs} is damaged ({exc}): make it again") from exc
    if not sitters or not spoken:
        raise ModelError(
            f"nothing held out in {runs}: run 'emolive train portraits' and 'emolive train corpus'"
        )
    cases = []
    for number in range(max(len(sitters), len(spoken))):
        sitter, clip = sitters[number % len(sitters)], spoken[number % len(spoken)]
        other = spoken[(number + 1) % len(spoken)]
        cases.append(Case(sitter, styles[sitter.name], clip, phones[clip.name], other))
    return cases


def pick_sitters(sitters: Sequence[Sitter], styles: dict[str, str], count: int) -> list[Sitter]:
    """Portraits of all styles in turn."""
    return _in_turn(sitters, lambda sitter: styles[sitter.name])[:count]


def pick_clips(clips: Sequence[Clip], count: int) -> list[Clip]:
    """Clips of all tongues in turn, each by all its voices in turn; three to twelve seconds."""
    fit = [c for c in clips if _SHORTEST_S * FPS <= len(c.mouth) <= _LONGEST_S * FPS]
    by_voice = _in_turn(fit, lambda clip: clip.name.rsplit("-", 1)[0])
    return _in_turn(by_voice, lambda clip: tongue_of(clip.name, clip.language))[:count]


def read_styles(folder: Path) -> dict[str, str]:
    """What kind of picture each portrait of a manifest is, by name; ``unknown`` if it is silent.

    Pictures of children are a kind of their own, so that some are judged and named in the report.
    """
    entries = json.loads((folder / "manifest.json").read_text("utf-8"))["portraits"]
    named = {
        e["name"]: "child" if e.get("age_years") else e.get("style", "unknown") for e in entries
    }
    return {name: _STYLES.get(style, style) for name, style in named.items()}


def read_phones(path: Path) -> tuple[Phone, ...]:
    """The timed sounds of a clip; none where the corpus does not know them."""
    with np.load(path) as file:
        if "phones" not in file:
            return ()
        return tuple(Phone(*phone) for phone in json.loads(str(file["phones"])))


def _usable(folder: Path) -> list[Sitter]:
    """Held-out portraits that the model itself would take."""
    landmarker = FaceLandmarker()
    return [
        sitter
        for sitter in load_sitters(folder, "heldout")
        if all(check.ok for check in check_portrait(sitter.portrait.image, landmarker))
    ]


def _in_turn(items: Iterable[T], kind: Callable[[T], str]) -> list[T]:
    """The first of every kind, then the second of every kind, and so on."""
    kinds: dict[str, list[T]] = {}
    for item in items:
        kinds.setdefault(kind(item), []).append(item)
    longest = max((len(k) for k in kinds.values()), default=0)
    return [k[turn] for turn in range(longest) for k in kinds.values() if turn < len(k)]

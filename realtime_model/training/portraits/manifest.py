"""What each training portrait is and where it comes from; the one place that knows the split."""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from realtime_model.errors import ModelError
from realtime_model.training.portraits.config import Split, Style


class SplitError(ModelError):
    """An identity is on both sides of the split, so held-out figures would lie."""

    code = "split_leak"


@dataclass(frozen=True, slots=True)
class Portrait:
    """One square picture of one face.

    Attributes:
        file: path below the manifest's folder.
        identity: the person; a morph is a person of its own and names its ``parents``.
        face_px: width of the face in the source; far below that of the square: it is soft.
        mouth_gap: distance between the inner lips in heights of the face; about 0 when closed.
        source: member of the package, or the generator, that it was made from.
        age_years: of a rendered child; None for everybody else.
    """

    name: str
    file: str
    split: Split
    style: Style
    identity: str
    face_px: int
    mouth_gap: float
    package: str
    version: str
    source: str
    licence: str
    parents: tuple[str, ...] = ()
    age_years: int | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """All portraits of one recipe.

    Raises:
        SplitError: an identity, or a parent of one, is on both sides.
    """

    recipe: str
    portraits: tuple[Portrait, ...]

    def __post_init__(self) -> None:
        check_split(self.portraits)

    def save(self, folder: Path) -> None:
        """Write ``manifest.json`` whole or not at all."""
        draft = folder / "manifest.json.part"
        draft.write_text(json.dumps(dataclasses.asdict(self), indent=1) + "\n", "utf-8")
        draft.replace(folder / "manifest.json")


def load_manifest(folder: Path) -> Manifest:
    """Read ``manifest.json`` of a folder of portraits.

    Raises:
        FileNotFoundError: there is none yet.
        SplitError: it was edited into a leak.
    """
    facts = json.loads((folder / "manifest.json").read_text("utf-8"))
    rows = [row | {"parents": tuple(row["parents"])} for row in facts["portraits"]]
    return Manifest(facts["recipe"], tuple(Portrait(**row) for row in rows))


def check_split(portraits: Sequence[Portrait]) -> None:
    """Raise `SplitError` if training and held-out portraits share a person, also by descent."""
    people: dict[str, set[str]] = {"train": set(), "heldout": set()}
    for portrait in portraits:
        people[portrait.split] |= {portrait.identity, *portrait.parents}
    if leak := people["train"] & people["heldout"]:
        raise SplitError(f"{sorted(leak)[0]!r} is both in training and held out")

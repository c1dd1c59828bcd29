"""Children who do not exist: proportions, skin and hair of six to eleven years."""

from collections import Counter
from dataclasses import replace

import numpy as np

from realtime_model.training.portraits.people import (
    Cut,
    Person,
    Rgb,
    Sex,
    at_age,
    facial_details,
    hair_colour,
    invent,
    iris_colour,
    origins,
    skin_colour,
    to_rgb,
)

_BABY_YEARS, _CHILD_YEARS, _YOUNG_YEARS = 1.0, 10.0, 25.0
"""How old the mesh's shapes of those names are: MakeHuman's age slider, 0, 3/16 and 1/2."""
_PLAINER = 0.5
"""Children's faces differ less from each other than those of grown-ups."""
_CHILDISH = {
    "mouth-angles-up": 0.45, "mouth-upperlip-height-decr": 0.25, "mouth-lowerlip-height-decr": 0.2,
    "nose-scale-horiz-decr": 0.2, "chin-width-decr": 0.3, "head-fat-decr": 0.35,
    "neck-scale-horiz-decr": 0.4,
    "l-eye-scale-incr": 0.35, "r-eye-scale-incr": 0.35,
    "l-eye-height2-incr": 0.25, "r-eye-height2-incr": 0.25,
}  # fmt: skip
_LENGTHS: dict[Cut, tuple[float, float]] = {
    "short": (0.12, 0.18), "curly": (0.25, 0.5), "long": (1.3, 1.9), "wavy": (1.4, 2.0),
}  # fmt: skip
"""How long hair is, in half widths of the head."""
CUTS = frozenset(_LENGTHS)
"""Haircuts for children."""
YOUNGEST, OLDEST = 6, 11


def invent_child(
    chance: np.random.Generator, sex: Sex, age_years: int, tone: float, cut: Cut
) -> Person:
    """Return a random child.

    Args:
        chance: where all that is not given comes from.
        sex: of the child.
        age_years: `YOUNGEST` to `OLDEST`.
        tone: of the skin, as `skin_colour` takes it.
        cut: one of `CUTS`.
    """
    grown, skin = invent(chance), skin_colour(tone)
    shapes = Counter(at_age(sex, _stages(age_years), origins(chance, tone)))
    shapes.update(_CHILDISH)
    shapes.update({name: _PLAINER * weight for name, weight in facial_details(chance).items()})
    return replace(
        grown,
        shapes=dict(shapes),
        skin=to_rgb(skin * chance.uniform(0.97, 1.03)),
        lips=to_rgb(skin * np.array([0.93, 0.76, 0.74])),
        hair=hair_colour(chance, tone, 0),
        iris=iris_colour(chance, tone),
        cloth=_bright(chance),
        redness=0.9 * (1 - 0.12 * tone),
        freckles=float(chance.choice([0, 0.2])) if tone < 2 else 0.0,
        beard=0.0,
        cut=cut,
        hair_length=float(chance.uniform(*_LENGTHS[cut])),
        hairline=float(chance.uniform(0.88, 0.94)),
        brows=0.5,
        neckline=-0.1,
        glasses=bool(chance.random() < 0.1),
        light=_gentle(grown.light),
        fill=float(chance.uniform(0.5, 0.65)),
        backdrop=_pale(chance),
        youth=1 - 0.06 * (age_years - YOUNGEST),
        fringe=cut != "curly",
    )


def _stages(age_years: float) -> dict[str, float]:
    """Return shares of the two ages of the mesh that are next to an age."""
    if age_years < _CHILD_YEARS:
        grown = (age_years - _BABY_YEARS) / (_CHILD_YEARS - _BABY_YEARS)
        return {"baby": 1 - grown, "child": grown}
    grown = (age_years - _CHILD_YEARS) / (_YOUNG_YEARS - _CHILD_YEARS)
    return {"child": 1 - grown, "young": grown}


def _gentle(light: Rgb) -> Rgb:
    """Return a light that comes less from the side."""
    direction = np.array(light) * [0.5, 1, 1]
    return to_rgb(direction / np.linalg.norm(direction), limit=False)


def _bright(chance: np.random.Generator) -> Rgb:
    return to_rgb(chance.uniform(0.25, 0.8, 3))


def _pale(chance: np.random.Generator) -> tuple[Rgb, Rgb]:
    near = chance.uniform(0.55, 0.85) + chance.uniform(-0.08, 0.08, 3)
    return to_rgb(near), to_rgb(near * chance.uniform(0.65, 0.85))

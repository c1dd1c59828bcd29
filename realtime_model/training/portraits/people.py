"""People who do not exist: random shapes, colours, hair and light, all drawn from one generator."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Cut = Literal["bald", "short", "combed", "curly", "tied", "long", "wavy"]
Rgb = tuple[float, float, float]
Sex = Literal["female", "male"]

# Skin from light to dark, and what grows on it; sRGB in [0, 1].
_SKIN = np.array(
    [(250, 220, 202), (241, 200, 172), (224, 176, 143), (196, 140, 104), (150, 98, 66),
     (104, 66, 45), (72, 46, 34)], np.float32) / 255  # fmt: skip
DARKEST = len(_SKIN) - 1
_HAIR: dict[str, Rgb] = {
    "black": (0.07, 0.06, 0.06),
    "dark": (0.16, 0.10, 0.07),
    "brown": (0.32, 0.20, 0.12),
    "blond": (0.72, 0.55, 0.32),
    "red": (0.52, 0.22, 0.09),
    "grey": (0.62, 0.61, 0.60),
}
_IRIS: dict[str, Rgb] = {
    "brown": (0.25, 0.13, 0.06),
    "dark": (0.13, 0.07, 0.04),
    "blue": (0.28, 0.45, 0.62),
    "green": (0.30, 0.42, 0.26),
    "hazel": (0.40, 0.29, 0.12),
    "grey": (0.42, 0.47, 0.50),
}
# Opposite shapes that keep a face plausible; the sign of the weight chooses the side.
_PAIRS = (
    ("head-scale-horiz-decr", "head-scale-horiz-incr"), ("head-fat-decr", "head-fat-incr"),
    ("head-angle-in", "head-angle-out"), ("head-scale-vert-decr", "head-scale-vert-incr"),
    ("nose-scale-horiz-decr", "nose-scale-horiz-incr"), ("nose-hump-decr", "nose-hump-incr"),
    ("nose-scale-vert-decr", "nose-scale-vert-incr"), ("nose-point-down", "nose-point-up"),
    ("nose-width2-decr", "nose-width2-incr"), ("nose-curve-concave", "nose-curve-convex"),
    ("mouth-scale-horiz-decr", "mouth-scale-horiz-incr"), ("mouth-angles-down", "mouth-angles-up"),
    ("mouth-upperlip-height-decr", "mouth-upperlip-height-incr"),
    ("mouth-lowerlip-height-decr", "mouth-lowerlip-height-incr"),
    ("chin-width-decr", "chin-width-incr"), ("chin-height-decr", "chin-height-incr"),
    ("chin-prominent-decr", "chin-prominent-incr"), ("chin-bones-decr", "chin-bones-incr"),
    ("forehead-temple-decr", "forehead-temple-incr"), ("eyebrows-trans-down", "eyebrows-trans-up"),
    ("eyebrows-angle-down", "eyebrows-angle-up"),
    ("neck-scale-horiz-decr", "neck-scale-horiz-incr"),
    ("*-cheek-bones-decr", "*-cheek-bones-incr"), ("*-cheek-volume-decr", "*-cheek-volume-incr"),
    ("*-eye-scale-decr", "*-eye-scale-incr"), ("*-eye-corner2-down", "*-eye-corner2-up"),
    ("*-eye-trans-in", "*-eye-trans-out"), ("*-eye-height2-decr", "*-eye-height2-incr"),
    ("*-eye-bag-decr", "*-eye-bag-incr"), ("*-ear-wing-decr", "*-ear-wing-incr"),
)  # fmt: skip
_CUTS_HIS: dict[Cut, float] = {
    "bald": 0.1, "short": 0.35, "combed": 0.3, "curly": 0.2, "wavy": 0.05,
}  # fmt: skip
_CUTS_HERS: dict[Cut, float] = {
    "long": 0.35, "wavy": 0.25, "tied": 0.15, "curly": 0.15, "combed": 0.1,
}  # fmt: skip
_LENGTHS: dict[Cut, tuple[float, float]] = {
    "bald": (0, 0), "short": (0.15, 0.35), "combed": (0.5, 0.8), "curly": (0.4, 0.9),
    "tied": (1.2, 1.6), "long": (2.2, 4.2), "wavy": (2.0, 3.6),
}  # fmt: skip
_SHAPES = ("head-oval", "head-round", "head-square", "head-rectangular", "head-triangular")


@dataclass(frozen=True, slots=True)
class Person:
    """Everything a picture of someone needs, besides the mesh.

    Attributes:
        shapes: name of a mesh shape to its weight.
        skin, lips, hair, iris, cloth: sRGB in [0, 1].
        redness: blood in cheeks, nose and ears, 0 to 1.
        beard: 0 none, up to 0.3 stubble, 1 full.
        hair_length: length of the strands, in half widths of the head.
        parting: where the hair is parted, -1 to 1 across the head.
        hairline: height of the forehead, 1 is usual.
        brows: strength of the eyebrows, 0 to 1.
        neckline: depth of the collar; negative is high.
        yaw, pitch: the head's turn, in radians.
        light: direction towards the main light, unit length.
        fill: brightness of the light from everywhere, against the main light's 1.
        youth: 0 for the grown up; up to 1 for a child, whose brows and lashes are soft.
        fringe: whether hair falls into the forehead.
    """

    shapes: dict[str, float]
    skin: Rgb
    lips: Rgb
    hair: Rgb
    iris: Rgb
    cloth: Rgb
    redness: float
    freckles: float
    beard: float
    cut: Cut
    hair_length: float
    parting: float
    hairline: float
    brows: float
    neckline: float
    glasses: bool
    yaw: float
    pitch: float
    light: Rgb
    fill: float
    backdrop: tuple[Rgb, Rgb]
    youth: float = 0.0
    fringe: bool = False


def invent(chance: np.random.Generator) -> Person:
    """Return a random person: skin of any tone, twenty to seventy years old, any kind of hair."""
    is_male = bool(chance.random() < 0.5)
    age = float(np.clip(chance.beta(1.3, 2.2), 0, 0.85))
    tone = float(chance.uniform(0, DARKEST))
    skin = skin_colour(tone)
    cut, length = _haircut(chance, is_male)
    growth = float(chance.choice([0.0, 0.12, 0.3, 1.0], p=[0.45, 0.2, 0.15, 0.2]))
    hue = np.array(chance.uniform(0.05, 0.9, 3))
    return Person(
        shapes=_macro(chance, is_male, age, tone) | facial_details(chance),
        skin=to_rgb(skin * chance.uniform(0.95, 1.03)),
        lips=_lip_colour(chance, skin, is_male),
        hair=hair_colour(chance, tone, age),
        iris=iris_colour(chance, tone),
        cloth=to_rgb(0.12 + 0.75 * (0.5 * hue + 0.5 * hue.mean())),
        redness=float(chance.uniform(0.2, 0.8)) * (1 - 0.12 * tone),
        freckles=float(chance.choice([0, 0, 0, 0.25])) if tone < 2 else 0.0,
        beard=growth if is_male else 0.0,
        cut=cut,
        hair_length=length,
        parting=float(chance.uniform(-0.5, 0.5)),
        hairline=float(chance.uniform(0.92, 1.08)) + (0.1 * age if is_male else 0),
        brows=float(chance.uniform(0.6, 1.0) if is_male else chance.uniform(0.45, 0.8)),
        neckline=float(chance.uniform(-0.1, 0.25)),
        glasses=bool(chance.random() < 0.16),
        yaw=float(chance.normal(0, 0.09)),
        pitch=float(chance.normal(0, 0.03)),
        light=_light(chance),
        fill=float(chance.uniform(0.3, 0.55)),
        backdrop=_backdrop(chance),
    )


def _macro(chance: np.random.Generator, is_male: bool, age: float, tone: float) -> dict[str, float]:
    """Mix of the three origins and of two of the ages that the mesh knows."""
    sex: Sex = "male" if is_male else "female"
    return at_age(sex, {"young": 1 - 0.75 * age, "old": 0.75 * age}, origins(chance, tone))


def origins(chance: np.random.Generator, tone: float) -> tuple[float, ...]:
    """Return shares of the African, Asian and Caucasian shapes; skin tone leans the mix."""
    lean = np.array([0.4 + 0.5 * tone, 1.0, 2.2 - 0.3 * tone])
    return tuple(chance.dirichlet(np.maximum(lean, 0.3)).tolist())


def at_age(sex: Sex, stages: Mapping[str, float], mix: Sequence[float]) -> dict[str, float]:
    """Return the weights of the mesh's shapes for shares of its ages and of its origins."""
    weights = {}
    for stage, share in stages.items():
        weights[f"universal-{sex}-{stage}-averagemuscle-averageweight"] = share
        for origin, part in zip(("african", "asian", "caucasian"), mix, strict=True):
            weights[f"{origin}-{sex}-{stage}"] = share * part
    return weights


def facial_details(chance: np.random.Generator) -> dict[str, float]:
    """Return weights of shapes that make one face differ from the next."""
    weights: dict[str, float] = {str(chance.choice(_SHAPES)): float(chance.uniform(0, 0.5))}
    for low, high in _PAIRS:
        weight = float(np.clip(chance.normal(0, 0.3), -0.7, 0.7))
        name = low if weight < 0 else high
        for side in ("l", "r") if "*" in name else ("",):
            weights[name.replace("*", side)] = abs(weight)
    return weights


def _haircut(chance: np.random.Generator, is_male: bool) -> tuple[Cut, float]:
    cuts = _CUTS_HIS if is_male else _CUTS_HERS
    cut = list(cuts)[chance.choice(len(cuts), p=list(cuts.values()))]
    return cut, float(chance.uniform(*_LENGTHS[cut]))


def hair_colour(chance: np.random.Generator, tone: float, age: float) -> Rgb:
    """Return a colour that goes with a skin tone; ``age`` above 0.45 greys, 1 is old."""
    fair = list(_HAIR)[:5] if tone < 2.2 else ["black", "black", "dark", "brown"][: 4 - (tone > 4)]
    colour = np.array(_HAIR[str(chance.choice(fair))])
    greying = float(np.clip((age - 0.45) * 2.5 + chance.normal(0, 0.15), 0, 1))
    mixed = colour * (1 - greying) + np.array(_HAIR["grey"]) * greying
    return to_rgb(mixed * chance.uniform(0.8, 1.25))


def iris_colour(chance: np.random.Generator, tone: float) -> Rgb:
    """Return any colour for light skin, a brown one for dark."""
    return _IRIS[str(chance.choice(["brown", "dark"] if tone > 2.5 else list(_IRIS)))]


def _lip_colour(chance: np.random.Generator, skin: Floats, is_male: bool) -> Rgb:
    natural = skin * np.array([0.88, 0.62, 0.60])
    if not is_male and chance.random() < 0.4:  # lipstick
        painted = np.array([0.72, 0.16, 0.20]) * chance.uniform(0.7, 1.1)
        natural = natural * 0.45 + painted * 0.55
    return to_rgb(natural)


def _light(chance: np.random.Generator) -> Rgb:
    side, height = chance.uniform(-0.9, 0.9), chance.uniform(0.15, 0.75)
    direction = np.array([side, height, 1.0])
    return to_rgb(direction / np.linalg.norm(direction), limit=False)


def _backdrop(chance: np.random.Generator) -> tuple[Rgb, Rgb]:
    base = chance.uniform(0.1, 0.85)
    tint = chance.uniform(-0.12, 0.12, 3)
    return to_rgb(base + tint), to_rgb((base + tint) * chance.uniform(0.35, 0.8))


def skin_colour(tone: float) -> Floats:
    """Return sRGB in [0, 1], (3,), of a tone from 0, light, to `DARKEST`."""
    index = min(int(tone), len(_SKIN) - 2)
    share = tone - index
    return np.asarray(_SKIN[index] * (1 - share) + _SKIN[index + 1] * share, np.float32)


def to_rgb(values: NDArray[np.floating], *, limit: bool = True) -> Rgb:
    """Return a colour as plain numbers, kept within [0.01, 1] unless it is a direction."""
    red, green, blue = (float(v) for v in (np.clip(values, 0.01, 1) if limit else values))
    return red, green, blue

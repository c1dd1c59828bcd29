"""Children are children, and the grown-up stay as they were."""

import hashlib

import numpy as np
import pytest

from realtime_model.training.portraits.anatomy import Anatomy
from realtime_model.training.portraits.children import CUTS, OLDEST, YOUNGEST, invent_child
from realtime_model.training.portraits.people import Person, Sex, invent
from realtime_model.training.portraits.strands import cut_below


def child(seed: int = 1, sex: Sex = "female", age_years: int = 8, tone: float = 1.0) -> Person:
    return invent_child(np.random.default_rng(seed), sex, age_years, tone, "long")


def share(person: Person, stage: str) -> float:
    """How much of one of the mesh's ages is in a shape."""
    return sum(
        w for name, w in person.shapes.items() if "universal" in name and f"-{stage}-" in name
    )


def anatomy(youth: float) -> Anatomy:
    point = np.zeros(3, np.float32)
    eyes = np.array([[0.3, 0, 0], [-0.3, 0, 0]], np.float32)
    return Anatomy(eyes, 0.14, point, point, point, 0.7, 1.0, youth)


def brow_height(youth: float, x: float) -> float:
    """Where the brow is thickest above a place beside the nose."""
    rise = np.linspace(0.05, 0.35, 301)
    points = np.stack([np.full(301, x), rise, np.ones(301)], 1).astype(np.float32)
    return float(rise[anatomy(youth).brow(points).argmax()])


def test_the_grown_up_of_a_seed_are_never_drawn_anew() -> None:
    people = [invent(np.random.default_rng(10_000 + n)) for n in range(72)]
    facts = [
        [p.cut, p.beard, *(round(v, 5) for v in (*p.skin, *p.hair, p.yaw, sum(p.shapes.values())))]
        for p in people
    ]
    assert hashlib.sha256(repr(facts).encode()).hexdigest()[:16] == "08a1cf6dec521e3c"
    assert {(p.youth, p.fringe) for p in people} == {(0.0, False)}


def test_the_brows_of_the_grown_up_are_the_same_to_the_last_bit() -> None:
    # One hair more or less shifts every number drawn after it, and all finished renders with it.
    x, y = np.meshgrid(np.linspace(0.1, 0.5, 201), np.linspace(0.1, 0.3, 201))
    points = np.stack([x, y, np.ones_like(x)], -1).reshape(-1, 3).astype(np.float32)
    density = anatomy(0.0).brow(points)
    assert hashlib.sha256(density.tobytes()).hexdigest()[:16] == "857e9bc548804b6b"


def test_a_child_repeats_by_seed_and_differs_by_seed() -> None:
    assert child(1) == child(1) != child(2)


@pytest.mark.parametrize("age_years", range(YOUNGEST, OLDEST + 1))
def test_the_ages_of_the_mesh_add_up_to_one(age_years: int) -> None:
    shares = [share(child(age_years=age_years), s) for s in ("baby", "child", "young", "old")]
    assert sum(shares) == pytest.approx(1)
    assert shares[1] == max(shares)
    assert shares[3] == 0


def test_who_is_older_has_less_of_a_baby_and_then_something_of_the_grown_up() -> None:
    babies = [share(child(age_years=age), "baby") for age in range(YOUNGEST, 11)]
    assert babies == sorted(babies, reverse=True)
    assert babies[-1] == 0 == share(child(age_years=10), "young")
    assert 0 < share(child(age_years=11), "young") < 0.2
    assert child(age_years=6).youth == 1 > child(age_years=11).youth > 0.5


def test_no_child_has_a_beard_or_grey_hair_or_paint_on_the_lips() -> None:
    for seed in range(40):
        tone = seed % 7 * 0.99
        person = child(seed, "male", 9, tone)
        assert person.beard == 0
        assert person.cut in CUTS
        assert max(person.hair) < 0.55 or person.hair[0] - person.hair[2] > 0.2, "not grey"
        assert np.allclose(np.divide(person.lips, person.skin), [0.93, 0.76, 0.74], atol=0.03)


def test_sex_and_skin_are_those_that_were_asked_for() -> None:
    light, dark = child(sex="female", tone=0.0), child(sex="male", tone=6.0)
    assert sum(light.skin) > 2 > 1 > sum(dark.skin)
    assert not any("-male-" in name for name in light.shapes)
    assert not any("-female-" in name for name in dark.shapes)


def test_the_brows_of_a_child_lie_level() -> None:
    def slant(youth: float) -> float:
        return brow_height(youth, 0.35) - brow_height(youth, 0.15)

    assert 0 <= slant(1.0) < 0.6 * slant(0.0)


def test_a_fringe_ends_where_it_is_cut() -> None:
    strand = np.array([[0, 3, 0], [0, 2, 1], [0, 1, 1], [0, 2, 1]], np.float32)
    short, whole, gone = cut_below(np.stack([strand] * 3), np.array([1.5, 0.0, 9.0]))
    assert short[:, 1].tolist() == [3, 2, 2, 2], "and does not come back up"
    assert whole.tolist() == strand.tolist()
    assert np.ptp(gone, axis=0).max() == 0

"""What the voices say: sentences written for this project, and as many made from patterns."""

import random
import zlib
from collections.abc import Callable
from importlib.resources import files

_HELD_OUT_ONE_IN = 8

_THINGS = (
    "apples", "balloons", "boxes of chalk", "five-pound notes", "garage doors", "maps", "mushrooms",
    "old boots", "pianos", "pumpkins", "shovels", "spoons", "thermometers", "umbrellas", "volumes",
    "wooden wheels", "yellow vans", "zebras", "cups of cocoa", "jars of jam",
)  # fmt: skip
_PEOPLE = (
    "Abby", "Bartholomew", "Chloe", "Doctor Thorpe", "Fiona", "George", "Hugo", "Joyce",
    "Miss Vogue", "my boss", "my father", "Naomi", "Oscar", "Professor Webb", "Ruth",
    "Sheila", "the mayor", "the plumber", "Uwe", "your wife",
)  # fmt: skip
_PLACES = (
    "Buenos Aires", "Cape Town", "Fulham", "Ohio", "Osaka", "Prague", "the beach", "the forum",
    "the old pharmacy", "the railway museum", "the rooftop", "the shopping mall", "Vienna",
    "Wembley", "Zürich",
)  # fmt: skip
_DEEDS = (
    "borrow", "paint", "measure", "throw away", "wrap up", "photograph", "improve", "weigh",
    "refuse", "judge", "mend", "bury", "shuffle", "give back", "wash",
)  # fmt: skip
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def written(name: str) -> list[str]:
    """Return the lines of one of the lists beside this module (``en``, ``short``, ``es``...)."""
    text = (files(__package__) / "sentences" / f"{name}.txt").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line]


def only_held_out(language: str) -> list[str]:
    """Return the lines that were written for held-out voices alone; few languages have some."""
    name = f"{language}-heldout"
    found = (files(__package__) / "sentences" / f"{name}.txt").is_file()
    return written(name) if found else []


def made(count: int, seed: int) -> list[str]:
    """Return ``count`` different English sentences with numbers, dates, lists and questions."""
    rng = random.Random(seed)
    sentences: dict[str, None] = {}
    while len(sentences) < count:
        sentences.setdefault(rng.choice(_PATTERNS)(rng))
    return list(sentences)


def is_held_out(sentence: str) -> bool:
    """Whether a sentence is kept from training, the same way for every voice and every run."""
    return zlib.crc32(sentence.encode("utf-8")) % _HELD_OUT_ONE_IN == 0


def _begun(words: str) -> str:
    return words[0].upper() + words[1:]


def _order(rng: random.Random) -> str:
    first, second, third = rng.sample(_THINGS, 3)
    return f"We ordered {rng.randint(2, 999)} {first}, {second}, and {rng.randint(2, 99)} {third}."


def _date(rng: random.Random) -> str:
    day = f"{rng.choice(_DAYS)}, {rng.choice(_MONTHS)} {rng.randint(1, 28)}"
    return f"{_begun(rng.choice(_PEOPLE))} will be in {rng.choice(_PLACES)} on {day}."


def _wish(rng: random.Random) -> str:
    return f"Why would {rng.choice(_PEOPLE)} {rng.choice(_DEEDS)} the {rng.choice(_THINGS)}?"


def _price(rng: random.Random) -> str:
    return (
        f"The {rng.choice(_THINGS)} cost ${rng.randint(1, 90)}.{rng.randint(10, 99)} each;"
        f" {rng.choice(_PEOPLE)} paid with a smile."
    )


def _phone_number(rng: random.Random) -> str:
    digits = " ".join(str(rng.randint(0, 9)) for _ in range(7))
    return f"Please call {rng.choice(_PEOPLE)} on {digits}."


def _warning(rng: random.Random) -> str:
    return f"Never {rng.choice(_DEEDS)} {rng.choice(_THINGS)} in {rng.choice(_PLACES)}!"


def _choice(rng: random.Random) -> str:
    one, other = rng.sample(_PLACES, 2)
    return f"Shall we meet {rng.choice(_PEOPLE)} at {one}, or rather at {other}?"


def _list(rng: random.Random) -> str:
    one, two, three = rng.sample(_PEOPLE, 3)
    return f"{_begun(one)}, {two} and {three} love {rng.choice(_THINGS)} above all."


def _report(rng: random.Random) -> str:
    share = rng.randint(2, 98)
    return f"Only {share}% of them ever {rng.choice(_DEEDS)} their {rng.choice(_THINGS)}."


def _thought(rng: random.Random) -> str:
    return (
        f"Well, if {rng.choice(_PEOPLE)} can {rng.choice(_DEEDS)} {rng.randint(3, 40)}"
        f" {rng.choice(_THINGS)}, then, um, so can we."
    )


_PATTERNS: tuple[Callable[[random.Random], str], ...] = (
    _order, _date, _wish, _price, _phone_number, _warning, _choice, _list, _report, _thought,
)  # fmt: skip

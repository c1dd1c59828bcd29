"""Errors carry a stable code, and a sentence with advice."""

import re
from collections.abc import Iterator

from realtime_model import errors
from realtime_model.errors import ModelError, PortraitError


def family(kind: type[ModelError]) -> Iterator[type[ModelError]]:
    yield kind
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from family(child)


def test_codes_are_stable_words_and_all_differ() -> None:
    codes = [kind.code for kind in family(ModelError)]
    assert len(codes) == len(set(codes)) > 5
    assert all(re.fullmatch(r"[a-z_]+", code) for code in codes)


def test_the_module_draws_its_whole_tree() -> None:
    assert errors.__doc__ is not None
    assert all(kind.__name__ in errors.__doc__ for kind in family(ModelError))


def test_a_portrait_error_says_what_and_what_to_do() -> None:
    error = PortraitError("no_face", "No face was found.", "Use another picture.")
    assert (error.reason, error.advice) == ("no_face", "Use another picture.")
    assert str(error) == "No face was found. Use another picture."

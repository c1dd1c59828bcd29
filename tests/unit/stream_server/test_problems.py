import inspect
import json

import pytest

from stream_server import errors
from stream_server.avatars import errors as avatar_errors
from stream_server.errors import CapacityError, ServerError, WorkerFaultError
from stream_server.session.admission import RateLimitedError
from stream_server.signaling.problems import KINDS, problem_of

INTERNAL = {"server_error", "avatar_error", "channel_closed"}
"""Codes no client can meet: base classes, and defects."""


@pytest.mark.parametrize("module", [errors, avatar_errors])
def test_every_error_a_client_can_meet_has_its_entry(module: object) -> None:
    for _, error in inspect.getmembers(module, inspect.isclass):
        if issubclass(error, ServerError) and error is not WorkerFaultError:
            assert error.code in KINDS or error.code in INTERNAL, error


def test_entries_are_sentences_and_statuses() -> None:
    for code, kind in KINDS.items():
        assert code.replace("_", "").isalpha()
        assert 400 <= kind.status < 600
        assert kind.advice.endswith(".")
        assert not kind.title.endswith(".")


def test_refusals_say_when_to_come_back() -> None:
    assert problem_of(CapacityError(2, 2)).headers["Retry-After"] == "10"
    limited = problem_of(RateLimitedError("Too fast.", 12.3))
    assert (limited.status_code, limited.headers["Retry-After"]) == (429, "13")


def test_portrait_refused_by_the_model_is_the_clients_to_mend() -> None:
    answer = problem_of(WorkerFaultError("bad_portrait", "No face was found."))
    assert answer.status_code == 422
    assert json.loads(bytes(answer.body))["detail"] == "No face was found."


def test_unknown_code_is_a_server_error_without_details() -> None:
    answer = problem_of(WorkerFaultError("strange", "tensor 0x7f at /secret/path"))
    assert answer.status_code == 500
    assert b"secret" not in bytes(answer.body)

import io
import json
import logging
from collections.abc import Iterator

import pytest

from stream_server.observability.logging import set_up_logging
from stream_server.session.context import session_context


@pytest.fixture(autouse=True)
def _restore_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_record_is_one_json_object_with_its_facts_and_session() -> None:
    stream = io.StringIO()
    set_up_logging("INFO", "auto", stream=stream)
    with session_context("sess_1"):
        logging.getLogger("here").info("session ended", extra={"reason": "idle", "n": 2})
    logging.getLogger("here").debug("not written")
    (line,) = lines(stream)
    assert line.pop("time")
    assert line == {
        "level": "INFO",
        "logger": "here",
        "event": "session ended",
        "session": "sess_1",
        "reason": "idle",
        "n": 2,
    }


def test_traceback_stays_inside_its_line() -> None:
    stream = io.StringIO()
    set_up_logging("INFO", "json", stream=stream)
    try:
        raise ValueError("boom\nboom")
    except ValueError:
        logging.getLogger("here").exception("stage failed")
    (line,) = lines(stream)
    assert "ValueError: boom" in str(line["traceback"])
    assert "session" not in line


def test_text_is_for_people() -> None:
    stream = io.StringIO()
    set_up_logging("INFO", "text", stream=stream)
    with session_context("sess_1"):
        logging.getLogger("here").warning("degraded", extra={"steps": 1})
    assert stream.getvalue().endswith("WARNING degraded steps=1 session=sess_1\n")


def test_request_lines_with_client_addresses_are_never_written() -> None:
    stream = io.StringIO()
    set_up_logging("DEBUG", "json", stream=stream)
    logging.getLogger("uvicorn.access").info('%s - "GET / HTTP/1.1" 200', "192.0.2.1:5")
    logging.getLogger("aioice.ice").info("Check CandidatePair(192.0.2.1)")
    assert stream.getvalue() == ""


def test_setting_up_twice_writes_once() -> None:
    stream = io.StringIO()
    set_up_logging("INFO", "json", stream=stream)
    set_up_logging("INFO", "json", stream=stream)
    logging.getLogger("here").info("once")
    assert len(lines(stream)) == 1

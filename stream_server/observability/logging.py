"""Log set-up: one JSON object per line, or plain text on a terminal, each with the session's id.

The message is a fixed event; facts come in ``extra``. SDP, addresses, sound and images are never
logged.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Literal, TextIO

from stream_server.session.context import current_session_id

_PLAIN_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "color_message",  # uvicorn's terminal variant of its message
}
# Per-request lines hold client addresses; libraries below INFO describe every packet.
_QUIET = {
    "uvicorn.access": logging.CRITICAL,
    "uvicorn.error": logging.WARNING,
    "aiortc": logging.WARNING,
    "aioice": logging.WARNING,
    "libav": logging.ERROR,
    "multipart": logging.WARNING,
    "python_multipart": logging.WARNING,
    "PIL": logging.WARNING,
}


def set_up_logging(
    level: str, style: Literal["auto", "json", "text"], *, stream: TextIO | None = None
) -> None:
    """Send all records of this process to one stream, standard error by default."""
    stream = stream or sys.stderr
    handler = logging.StreamHandler(stream)
    plain = style == "text" or (style == "auto" and stream.isatty())
    handler.setFormatter(TextFormatter() if plain else JsonFormatter())
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    for name, quiet in _QUIET.items():
        logging.getLogger(name).setLevel(quiet)


class JsonFormatter(logging.Formatter):
    """One object per line: time, level, logger, event, session, then the facts."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC)
        line: dict[str, object] = {
            "time": moment.isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "event": record.getMessage(),
        }
        if session_id := current_session_id():
            line["session"] = session_id
        line |= _facts(record)
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


class TextFormatter(logging.Formatter):
    """The same for people: ``12:01:02 INFO session ended reason=idle``."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).astimezone()
        facts = _facts(record)
        if session_id := current_session_id():
            facts["session"] = session_id
        words = [f"{moment:%H:%M:%S}", record.levelname, record.getMessage()]
        words += [f"{name}={value}" for name, value in facts.items()]
        text = " ".join(words)
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return text


def _facts(record: logging.LogRecord) -> dict[str, object]:
    return {name: value for name, value in vars(record).items() if name not in _PLAIN_FIELDS}

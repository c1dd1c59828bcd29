"""Which session the running task belongs to, for log records."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_session_id: ContextVar[str | None] = ContextVar("session_id", default=None)


def current_session_id() -> str | None:
    """Return the id of the session this task works for, or None."""
    return _session_id.get()


@contextmanager
def session_context(session_id: str) -> Iterator[None]:
    """Give everything that runs inside, also tasks started inside, this session's id."""
    token = _session_id.set(session_id)
    try:
        yield
    finally:
        _session_id.reset(token)

"""What the command line reports in one sentence, and the exit codes it ends with.

CommandError
├── InputError      what was given cannot be used: exit code 2
└── WorkError       the work itself failed: exit code 1

The errors of the model and the server are sentences already; `exit_code` sorts them the same way.
"""

from realtime_model.errors import ConfigError, ModelError, PortraitError
from stream_server.errors import ServerError

FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130

# Codes of server errors that are the caller's to mend; the others are failures of the work.
_INPUT_CODES = frozenset({"bad_settings", "bad_picture", "unknown_avatar"})


class CommandError(Exception):
    """Base of this package's errors; the text is a sentence for the person at the terminal."""


class InputError(CommandError):
    """What was given cannot be used: a missing file, a silent container, an unknown name."""


class WorkError(CommandError):
    """The work failed although its input was fine: a full disk, a server that does not answer."""


REPORTED = (CommandError, ModelError, ServerError)
"""Errors whose text a person can act on; anything else is a defect and keeps its traceback."""


def exit_code(error: Exception) -> int:
    """Return the exit code for one of the `REPORTED` errors."""
    if isinstance(error, InputError | PortraitError | ConfigError):
        return BAD_INPUT
    if isinstance(error, ServerError) and error.code in _INPUT_CODES:
        return BAD_INPUT
    return FAILED

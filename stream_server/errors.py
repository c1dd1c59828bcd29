"""Everything that can go wrong in the server, as one tree.

ServerError
├── SdpError                 an offer cannot be read, or asks for what this server does not do
├── PeerError                a peer connection failed after it was negotiated
├── CapacityError            every session slot is taken
├── DrainingError            the server is shutting down and takes no new sessions
├── UnknownSessionError      no session has this id
├── EngineUnavailableError   the model process is starting, restarting or cannot start
├── WorkerFaultError         the model process refused or failed one request
└── ChannelClosedError       an item was put into a closed channel

Packages with their own kinds of trouble (settings, avatars) keep their branches beside their code.
"""


class ServerError(Exception):
    """Base of all errors raised by ``stream_server``.

    ``code`` is stable and meant for programs; the text is a sentence that may be shown to a person.
    """

    code = "server_error"


class SdpError(ServerError):
    """An SDP offer cannot be read, or asks for something this server does not do."""

    code = "bad_sdp"


class PeerError(ServerError):
    """A peer connection failed after it was negotiated."""

    code = "peer_failed"


class CapacityError(ServerError):
    """Every session slot is taken; the client may retry later."""

    code = "at_capacity"

    def __init__(self, active: int, limit: int) -> None:
        self.active, self.limit = active, limit
        super().__init__(f"{active} of {limit} sessions are in use. Try again in a moment.")


class DrainingError(ServerError):
    """The server is shutting down and takes no new sessions."""

    code = "draining"

    def __init__(self) -> None:
        super().__init__("The server is shutting down. Connect again in a moment.")


class UnknownSessionError(ServerError):
    """No session has this id: it never existed, or it has ended."""

    code = "unknown_session"

    def __init__(self, session_id: str) -> None:
        self.session_id = session_id
        super().__init__("There is no such session, or it has ended.")


class EngineUnavailableError(ServerError):
    """The model process is starting, restarting, or cannot start."""

    code = "engine_unavailable"


class WorkerFaultError(ServerError):
    """The model process refused or failed one request.

    Attributes:
        code: the stable word of the error in the model process, e.g. ``bad_portrait``.
    """

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(message)


class ChannelClosedError(ServerError):
    """An item was put into, or awaited from, a closed channel."""

    code = "channel_closed"

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"channel {name!r} is closed")

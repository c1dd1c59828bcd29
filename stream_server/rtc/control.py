"""JSON events on the data channel, both ways."""

import asyncio
import json
import logging
from dataclasses import dataclass
from typing import Final

from aiortc import RTCDataChannel

from stream_server.clock import Clock

log = logging.getLogger(__name__)

CHANNEL_LABELS: Final = ("avatar-events", "oai-events")
MAX_MESSAGE_BYTES: Final = 64 * 1024
_MESSAGES_PER_S: Final = 50.0
_MAX_COMMANDS: Final = 64
_MAX_UNSENT: Final = 32
_MAX_BUFFERED_BYTES: Final = 256 * 1024
INTERRUPTIONS: Final = frozenset(
    {"output_audio_buffer.clear", "response.cancel", "avatar.interrupt"}
)
_COMMANDS: Final = INTERRUPTIONS | {"session.keep_alive"}


@dataclass(frozen=True, slots=True)
class Command:
    """A message of the client that asks the session for something.

    Attributes:
        type: one of the types the session understands.
        event_id: the client's own name for the message, echoed in the answer; may be empty.
    """

    type: str
    event_id: str


class TokenBucket:
    """Allows ``rate`` events per second on average, and as many at once. Pure."""

    def __init__(self, rate: float) -> None:
        self._rate = self._tokens = rate
        self._then_s = 0.0

    def take(self, now_s: float) -> bool:
        self._tokens = min(self._rate, self._tokens + (now_s - self._then_s) * self._rate)
        self._then_s = now_s
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class ControlChannel:
    """Answers what needs no session (ping, mistakes) and queues the rest as `Command`s.

    What is sent before the client opened its channel is delivered once it has.
    """

    def __init__(self, clock: Clock) -> None:
        self.commands: asyncio.Queue[Command] = asyncio.Queue(_MAX_COMMANDS)
        self._clock = clock
        self._bucket = TokenBucket(_MESSAGES_PER_S)
        self._channel: RTCDataChannel | None = None
        self._unsent: list[str] = []
        self._sent = 0
        self._was_limited = False

    def attach(self, channel: RTCDataChannel) -> bool:
        """Use a channel the client opened; False if it is a second one or bears a strange name."""
        if self._channel is not None or channel.label not in CHANNEL_LABELS:
            return False
        self._channel = channel
        channel.on("message", self._receive)
        for text in self._unsent:
            self._transmit(text)
        self._unsent.clear()
        return True

    def send(self, event_type: str, **fields: object) -> None:
        """Send an event, or keep it until the channel opens."""
        self._sent += 1
        event = {"type": event_type, "event_id": f"event_{self._sent}", **fields}
        text = json.dumps(event, separators=(",", ":"))
        if self._channel is not None:
            self._transmit(text)
        elif len(self._unsent) < _MAX_UNSENT:
            self._unsent.append(text)

    def send_error(
        self, code: str, message: str, *, cause_id: str = "", retryable: bool = False
    ) -> None:
        """Tell the client what went wrong; ``cause_id`` names its message, where one did it."""
        error = {"code": code, "message": message, "event_id": cause_id, "retryable": retryable}
        self.send("error", error=error)

    def _transmit(self, text: str) -> None:
        channel = self._channel
        assert channel is not None
        # A client that does not read loses events; it must not fill our memory.
        if channel.readyState == "open" and channel.bufferedAmount < _MAX_BUFFERED_BYTES:
            channel.send(text)

    def _receive(self, message: str | bytes) -> None:
        if not self._bucket.take(self._clock.now_s()):
            if not self._was_limited:
                self._was_limited = True
                self.send_error(
                    "rate_limited", "Too many messages; the surplus is ignored.", retryable=True
                )
            return
        self._was_limited = False
        if isinstance(message, bytes):
            self.send_error("bad_message", "Messages are JSON text, not binary.")
        elif len(message.encode("utf-8", "replace")) > MAX_MESSAGE_BYTES:
            self.send_error("message_too_large", f"A message may have {MAX_MESSAGE_BYTES} bytes.")
        else:
            self._dispatch(message)

    def _dispatch(self, text: str) -> None:
        try:
            event = json.loads(text)
        except (ValueError, RecursionError):
            self.send_error("bad_message", "The message is not JSON.")
            return
        event_type = event.get("type") if isinstance(event, dict) else None
        if not isinstance(event_type, str):
            self.send_error("bad_message", "A message is an object with a text field 'type'.")
            return
        event_id = str(event.get("event_id", ""))[:64]
        if event_type == "ping":
            self.send("pong", reply_to=event_id)
        elif event_type not in _COMMANDS:
            self.send_error("unknown_type", "No message has this type.", cause_id=event_id)
        elif self.commands.full():
            self.send_error("busy", "Too many requests wait.", cause_id=event_id, retryable=True)
        else:
            self.commands.put_nowait(Command(event_type, event_id))

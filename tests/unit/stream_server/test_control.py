import json
from collections.abc import Callable

import pytest

from stream_server.rtc.control import Command, ControlChannel
from tests.fakes.manual_clock import ManualClock


class Wire:
    """Stands for an open data channel."""

    def __init__(self, label: str = "avatar-events") -> None:
        self.label, self.readyState, self.bufferedAmount = label, "open", 0
        self.sent: list[dict[str, object]] = []
        self.say: Callable[[str | bytes], None] = lambda message: None

    def on(self, event: str, handler: Callable[[str | bytes], None]) -> None:
        assert event == "message"
        self.say = handler

    def send(self, text: str) -> None:
        assert len(text) <= 1_000
        self.sent.append(json.loads(text))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def control(clock: ManualClock) -> ControlChannel:
    return ControlChannel(clock)


@pytest.fixture
def wire(control: ControlChannel) -> Wire:
    wire = Wire()
    assert control.attach(wire)  # type: ignore[arg-type]
    return wire


def error_code(wire: Wire) -> object:
    event = wire.sent[-1]
    assert event["type"] == "error"
    assert isinstance(event["error"], dict)
    return event["error"]["code"]


@pytest.mark.parametrize("label", ["avatar-events", "oai-events"])
def test_both_labels_are_known(control: ControlChannel, label: str) -> None:
    assert control.attach(Wire(label))  # type: ignore[arg-type]


def test_other_labels_and_second_channels_are_refused(control: ControlChannel) -> None:
    assert not control.attach(Wire("chat"))  # type: ignore[arg-type]
    assert control.attach(Wire())  # type: ignore[arg-type]
    assert not control.attach(Wire())  # type: ignore[arg-type]


def test_events_wait_for_the_channel(control: ControlChannel) -> None:
    control.send("session.created", session={"id": "s"})
    wire = Wire()
    control.attach(wire)  # type: ignore[arg-type]
    assert [event["type"] for event in wire.sent] == ["session.created"]


def test_a_client_that_never_opens_a_channel_costs_little(control: ControlChannel) -> None:
    for _ in range(10_000):
        control.send("avatar.stats")
    assert len(control._unsent) == 32


def test_a_client_that_does_not_read_costs_nothing(control: ControlChannel, wire: Wire) -> None:
    wire.bufferedAmount = 1_000_000
    control.send("avatar.stats")
    assert wire.sent == []


def test_ping_is_answered_with_its_id(wire: Wire) -> None:
    wire.say('{"type": "ping", "event_id": "e7"}')
    assert (wire.sent[-1]["type"], wire.sent[-1]["reply_to"]) == ("pong", "e7")


@pytest.mark.parametrize(
    "kind", ["output_audio_buffer.clear", "response.cancel", "avatar.interrupt"]
)
def test_interruptions_reach_the_session(control: ControlChannel, wire: Wire, kind: str) -> None:
    wire.say(json.dumps({"type": kind, "event_id": "e1"}))
    assert control.commands.get_nowait() == Command(kind, "e1")


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("no json", "bad_message"),
        ("[1, 2]", "bad_message"),
        ('{"type": 7}', "bad_message"),
        ("{}", "bad_message"),
        ("[" * 50_000, "bad_message"),
        (b"\x00\x01", "bad_message"),
        ('{"type": "make.coffee"}', "unknown_type"),
        ('{"type": "ping", "pad": "' + "x" * 70_000 + '"}', "message_too_large"),
    ],
)
def test_mistakes_are_named(wire: Wire, message: str | bytes, code: str) -> None:
    wire.say(message)
    assert error_code(wire) == code


async def test_more_than_fifty_messages_a_second_are_ignored(
    wire: Wire, clock: ManualClock
) -> None:
    for _ in range(200):
        wire.say('{"type": "ping"}')
    assert [event["type"] for event in wire.sent] == ["pong"] * 50 + ["error"]
    assert error_code(wire) == "rate_limited"
    await clock.advance(1.0)
    wire.say('{"type": "ping"}')
    assert wire.sent[-1]["type"] == "pong"


async def test_requests_that_nobody_takes_are_refused_in_the_end(
    wire: Wire, clock: ManualClock
) -> None:
    for _ in range(65):
        await clock.advance(0.1)
        wire.say('{"type": "avatar.interrupt"}')
    assert error_code(wire) == "busy"

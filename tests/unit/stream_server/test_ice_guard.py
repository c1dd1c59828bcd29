"""The guarded ICE agent without a network: datagrams are handed to it by hand."""

import pytest
from aioice import Candidate, stun

from stream_server.rtc.candidates import CandidatePolicy
from stream_server.rtc.ice_guard import Address, GuardedConnection, GuardedStunProtocol

FRIEND, STRANGER = ("192.0.2.7", 5_000), ("192.0.2.8", 6_000)
RTP = bytes([0x80]) + bytes(40)


class Protocol(GuardedStunProtocol):
    """Keeps what would be sent."""

    def __init__(self, receiver: GuardedConnection) -> None:
        super().__init__(receiver)
        self.sent: list[stun.Message] = []
        self.local_candidate = candidate("192.0.2.1")

    def send_stun(self, message: stun.Message, addr: Address) -> None:
        self.sent.append(message)


def candidate(host: str, port: int = 4_000) -> Candidate:
    return Candidate("1", 1, "udp", 1, host, port, "host")


@pytest.fixture
async def agent() -> GuardedConnection:
    connection = GuardedConnection(ice_controlling=False)
    connection.remote_username, connection.remote_password = "user", "p" * 22
    connection._early_checks_done = True
    connection.check_start_task = lambda pair: None  # type: ignore[method-assign]
    return connection


@pytest.fixture
async def protocol(agent: GuardedConnection) -> Protocol:
    return Protocol(agent)


def check_from(agent: GuardedConnection, *, password: str | None = None) -> bytes:
    """Return a connectivity check as FFmpeg 8 sends it: without PRIORITY."""
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    message.attributes["USERNAME"] = f"{agent.local_username}:user"
    message.attributes["ICE-CONTROLLING"] = 1
    message.add_message_integrity((password or agent.local_password).encode())
    return bytes(message)


@pytest.mark.parametrize("length", range(12))
def test_malformed_datagrams_never_reach_the_transport(
    agent: GuardedConnection, protocol: Protocol, length: int
) -> None:
    protocol.datagram_received(check_from(agent), FRIEND)
    for first in (0, 22, 128, 255):
        protocol.datagram_received(bytes([first] * length), FRIEND)
    assert agent._queue.empty()
    assert agent.dropped == 4


def test_media_is_taken_only_from_who_passed_a_check(
    agent: GuardedConnection, protocol: Protocol
) -> None:
    protocol.datagram_received(RTP, FRIEND)
    assert agent._queue.empty()
    protocol.datagram_received(check_from(agent), FRIEND)
    protocol.datagram_received(RTP, FRIEND)
    protocol.datagram_received(RTP, STRANGER)
    assert agent._queue.qsize() == 1
    assert (agent.heard, agent.dropped) == (1, 2)


def test_a_check_with_a_wrong_password_opens_nothing(
    agent: GuardedConnection, protocol: Protocol
) -> None:
    protocol.datagram_received(check_from(agent, password="x" * 22), STRANGER)
    protocol.datagram_received(RTP, STRANGER)
    assert agent._queue.empty()
    assert protocol.sent[-1].message_class is stun.Class.ERROR


def test_a_check_without_priority_is_answered(agent: GuardedConnection, protocol: Protocol) -> None:
    protocol.datagram_received(check_from(agent), FRIEND)
    assert protocol.sent[-1].message_class is stun.Class.RESPONSE
    assert agent.remote_candidates[0].host == FRIEND[0]


def test_datagrams_that_nobody_reads_are_bounded(
    agent: GuardedConnection, protocol: Protocol
) -> None:
    protocol.datagram_received(check_from(agent), FRIEND)
    for _ in range(2_000):
        protocol.datagram_received(RTP, FRIEND)
    assert agent._queue.qsize() == 1_024


def test_one_peer_cannot_claim_addresses_without_end(
    agent: GuardedConnection, protocol: Protocol
) -> None:
    for port in range(1_000, 1_200):
        protocol.datagram_received(check_from(agent), ("192.0.2.7", port))
    assert len(agent._senders) == 32
    assert len(agent.remote_candidates) == 32


async def test_candidates_are_filtered_and_counted(agent: GuardedConnection) -> None:
    agent.policy = CandidatePolicy(include_loopback=False)
    for host in ("127.0.0.1", "169.254.169.254", "name.local"):
        await agent.add_remote_candidate(candidate(host))
    assert agent.remote_candidates == []
    for port in range(1_000, 1_100):
        await agent.add_remote_candidate(candidate("192.0.2.7", port))
    assert len(agent.remote_candidates) == 16

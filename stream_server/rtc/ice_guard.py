"""A stricter ICE agent: what gets past it has a known sender and a plausible shape.

Cause, aioice 0.13, aiortc 1.16: every datagram that is not STUN goes to DTLS whoever sent it, and
not every one is handled well there; a check without PRIORITY raises KeyError; 127.0.0.1 is never
offered; checks are sent to any address an offer names; received datagrams queue without bound.
Remove when: aioice filters datagrams by validated pair and bounds its queue, defaults PRIORITY, and
takes a policy for local and remote candidates.
"""

from typing import Any, Final, cast

import aioice.ice
import aiortc.rtcicetransport
from aioice import Candidate, Connection
from aioice.candidate import candidate_priority
from aioice.ice import CandidatePair, StunProtocol
from aioice.stun import Message

from stream_server.rtc.candidates import MAX_REMOTE_CANDIDATES, CandidatePolicy

_SHORTEST: Final = 12  # an RTP header; DTLS records take 13 bytes, STUN messages 20
_FIRST_BYTES_OF_STUN: Final = 4  # RFC 7983: 0-3 STUN, 20-63 DTLS, 128-191 RTP and RTCP
_MAX_QUEUED: Final = 1_024
_MAX_SENDERS: Final = 32

Address = tuple[str, int]


class GuardedConnection(Connection):
    """Listens only to senders that passed an authenticated check.

    Attributes:
        policy: which candidates are offered and accepted; set before candidates are gathered.
        heard: datagrams that reached DTLS, RTP or RTCP; it standing still means a silent peer.
        dropped: datagrams that were refused.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.policy = CandidatePolicy()
        self.heard = self.dropped = 0
        self._senders: set[Address] = set()

    def accept(self, data: bytes, address: Address, component: int) -> None:
        """Pass on a datagram that is not STUN, if its sender is known and there is room."""
        if address in self._senders and self._queue.qsize() < _MAX_QUEUED:
            self.heard += 1
            self.data_received(data, component)
        else:
            self.dropped += 1

    def check_incoming(self, message: Message, addr: Address, protocol: StunProtocol) -> None:
        message.attributes.setdefault("PRIORITY", candidate_priority(1, "prflx"))
        if addr not in self._senders and len(self._senders) >= _MAX_SENDERS:
            self.dropped += 1
            return
        self._senders.add(addr)
        super().check_incoming(message, addr, protocol)

    def check_state(self, pair: CandidatePair, state: CandidatePair.State) -> None:
        super().check_state(pair, state)
        if state is CandidatePair.State.SUCCEEDED and len(self._senders) < _MAX_SENDERS:
            self._senders.add(pair.remote_addr)

    async def add_remote_candidate(self, remote_candidate: Candidate | None) -> None:
        if remote_candidate is not None and not (
            self.policy.allows(remote_candidate.host)
            and len(self.remote_candidates) < MAX_REMOTE_CANDIDATES
        ):
            return
        await super().add_remote_candidate(remote_candidate)

    async def get_component_candidates(
        self,
        component: int,
        addresses: list[str],
        timeout: int = 5,  # noqa: ASYNC109 - overridden
    ) -> list[Candidate]:
        loopback = ["127.0.0.1"] if self.policy.include_loopback else []
        return await super().get_component_candidates(component, addresses + loopback, timeout)


class GuardedStunProtocol(StunProtocol):
    """Sorts datagrams before anything parses them."""

    def datagram_received(self, data: bytes | str, addr: tuple[Any, ...]) -> None:
        datagram = cast(bytes, data)
        receiver = self.receiver
        assert isinstance(receiver, GuardedConnection)
        if len(datagram) < _SHORTEST:
            receiver.dropped += 1
        elif datagram[0] < _FIRST_BYTES_OF_STUN:
            super().datagram_received(datagram, addr)
        else:
            receiver.accept(datagram, (addr[0], addr[1]), self.local_candidate.component)


def install_transport_guards() -> None:
    """Make every peer connection created from now on use the stricter agent. Safe to call twice."""
    aioice.ice.StunProtocol = GuardedStunProtocol  # type: ignore[misc]
    aiortc.rtcicetransport.Connection = GuardedConnection  # type: ignore[attr-defined]

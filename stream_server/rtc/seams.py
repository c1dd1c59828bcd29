"""The places where this package reaches into aiortc's private parts, all of them, and nowhere else.

Cause, aiortc 1.16: a peer connection builds its own senders and receivers and takes no others, a
receiver builds its own jitter buffer.
Remove when: `RTCPeerConnection` accepts factories for senders, receivers and jitter buffers.
"""

from collections.abc import Callable

from aiortc import RTCRtpReceiver, RTCRtpSender, RTCRtpTransceiver
from aiortc.jitterbuffer import JitterBuffer, JitterFrame
from aiortc.rtp import RtpPacket

from stream_server.rtc.ice_guard import GuardedConnection


class _Diversion(JitterBuffer):
    """Hands every packet on and keeps none, so that the library decodes and queues nothing."""

    def __init__(self, on_packet: Callable[[int, bytes], None]) -> None:
        super().__init__(capacity=1)
        self._on_packet = on_packet

    def add(self, packet: RtpPacket) -> tuple[bool, JitterFrame | None]:
        self._on_packet(packet.timestamp, packet.payload)
        return False, None


def divert_packets(receiver: RTCRtpReceiver, on_packet: Callable[[int, bytes], None]) -> None:
    """Deliver time stamp and payload of each received packet to ``on_packet``, as it comes."""
    receiver._RTCRtpReceiver__jitter_buffer = _Diversion(on_packet)  # type: ignore[attr-defined]


def replace_sender(transceiver: RTCRtpTransceiver, sender: RTCRtpSender) -> None:
    """Let a transceiver that was not negotiated yet send through ``sender``."""
    assert transceiver.mid is None
    sender._stream_id = transceiver.sender._stream_id
    transceiver.receiver._set_rtcp_ssrc(sender._ssrc)
    transceiver._RTCRtpTransceiver__sender = sender  # type: ignore[attr-defined]


def set_report_time(sender: RTCRtpSender, ntp_timestamp: int) -> None:
    """Tell a sender the time its latest report carried, so that it recognises the answer."""
    sender._RTCRtpSender__lsr = (ntp_timestamp >> 16) & 0xFFFF_FFFF  # type: ignore[attr-defined]


def ice_connection(transceiver: RTCRtpTransceiver) -> GuardedConnection:
    """Return the ICE agent below a transceiver; `install_transport_guards` ran before."""
    connection = transceiver.receiver.transport.transport._connection
    assert isinstance(connection, GuardedConnection), "call install_transport_guards first"
    return connection

"""One peer connection: an offer is answered, media flows, everything is released at the end."""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from aiortc import (
    RTCBundlePolicy,
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCRtpSender,
    RTCRtpTransceiver,
    RTCSessionDescription,
)
from aiortc.rtcrtpparameters import RTCRtpCodecCapability

from stream_server.clock import Clock
from stream_server.errors import SdpError
from stream_server.rtc.candidates import CandidatePolicy
from stream_server.rtc.control import ControlChannel
from stream_server.rtc.ice_guard import GuardedConnection
from stream_server.rtc.ingest import VoiceIngest
from stream_server.rtc.offer import check_offer
from stream_server.rtc.rates import BitRates
from stream_server.rtc.seams import divert_packets, ice_connection, replace_sender
from stream_server.rtc.sender import ObserveStage, PictureSender, VoiceSender
from stream_server.rtc.tracks import OutgoingTimeline, PictureTrack, VoiceTrack

log = logging.getLogger(__name__)

_CLOSE_TIMEOUT_S: Final = 5.0
_VIDEO_PREFERENCE: Final = ("video/H264", "video/VP8", "video/rtx")


class Peer:
    """The server's end of a call: one voice in, one voice and one picture out, one data channel.

    Attributes:
        ingest: the incoming voice.
        control: the data channel.
        voice: the outgoing sound; `pictures` the outgoing pictures.
        connected: set once media can flow, and when it never will.
        gone: set once the connection failed or was closed, by either side.
    """

    def __init__(
        self,
        *,
        policy: CandidatePolicy,
        rates: BitRates,
        clock: Clock,
        observe_stage: ObserveStage,
    ) -> None:
        self.ingest = VoiceIngest(clock)
        self.control = ControlChannel(clock)
        self.voice = VoiceTrack()
        self.pictures = PictureTrack()
        self.timeline = OutgoingTimeline()
        self._is_closed = False
        self.connected = asyncio.Event()
        self.gone = asyncio.Event()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="encode")
        self._connection = RTCPeerConnection(
            RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
        )
        self._connection.on("connectionstatechange", self._follow_state)
        self._connection.on("datachannel", self._take_channel)
        # Tracks and codec preferences must be in place before the offer: later ones are ignored.
        audio = self._connection.addTransceiver("audio", direction="sendrecv")
        video = self._connection.addTransceiver("video", direction="sendonly")
        audio.setCodecPreferences(_codecs("audio", ("audio/opus",)))
        video.setCodecPreferences(_codecs("video", _VIDEO_PREFERENCE))
        self._ours: tuple[RTCRtpTransceiver, ...] = (audio, video)
        self._ice: GuardedConnection = ice_connection(audio)
        self._ice.policy = policy
        transport = audio.receiver.transport
        replace_sender(audio, VoiceSender(self.voice, transport, self.timeline))
        self.picture_sender = PictureSender(
            self.pictures,
            transport,
            self.timeline,
            executor=self._executor,
            rates=rates,
            clock=clock,
            observe_stage=observe_stage,
        )
        replace_sender(video, self.picture_sender)
        divert_packets(audio.receiver, self.ingest.feed)

    @property
    def is_connected(self) -> bool:
        return self.connected.is_set() and not self.gone.is_set()

    @property
    def heard(self) -> int:
        """Datagrams received from the peer so far; consent checks do not count."""
        return self._ice.heard

    async def answer(self, offer_sdp: str) -> str:
        """Return the answer to an offer, all candidates included.

        Raises:
            SdpError: the offer cannot be read or served.
        """
        check_offer(offer_sdp)
        try:
            await self._connection.setRemoteDescription(RTCSessionDescription(offer_sdp, "offer"))
            for transceiver in self._connection.getTransceivers():
                if transceiver not in self._ours:
                    transceiver.direction = "inactive"
            await self._connection.setLocalDescription()
        except Exception as exc:
            log.info("offer refused", extra={"cause": type(exc).__name__})
            raise SdpError("The SDP offer cannot be answered: it is broken or incomplete.") from exc
        return self._connection.localDescription.sdp

    async def close(self) -> None:
        """Hang up and release sockets, threads and encoders. Safe to call twice."""
        if self._is_closed:
            return
        self._is_closed = True
        self._note_gone()
        self.voice.stop()
        self.pictures.stop()
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await self._connection.close()
        # A connection that a bad offer left half-built cannot close itself.
        except (TimeoutError, AttributeError, ConnectionError) as exc:
            log.warning("peer connection closed by force", extra={"cause": type(exc).__name__})
            await self._ice.close()
        finally:
            self._executor.shutdown(wait=False, cancel_futures=True)

    def _follow_state(self) -> None:
        state = self._connection.connectionState
        if state == "connected":
            self.connected.set()
        elif state in ("failed", "closed"):
            self._note_gone()

    def _note_gone(self) -> None:
        self.gone.set()
        self.connected.set()

    def _take_channel(self, channel: RTCDataChannel) -> None:
        if not self.control.attach(channel):
            channel.close()


def _codecs(kind: str, mime_types: tuple[str, ...]) -> list[RTCRtpCodecCapability]:
    """Return what the library can do of ``mime_types``, in their order."""
    known = RTCRtpSender.getCapabilities(kind).codecs
    return [codec for wanted in mime_types for codec in known if codec.mimeType == wanted]

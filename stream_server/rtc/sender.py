"""RTP senders that encode our way and report our time."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import cast

import av
import numpy as np
from aiortc import RTCRtpSender
from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.rtcrtpsender import RTCEncodedFrame
from aiortc.rtp import (
    RTCP_PSFB_APP,
    AnyRtcpPacket,
    RtcpPsfbPacket,
    RtcpSrPacket,
    unpack_remb_fci,
)

from stream_server.clock import Clock
from stream_server.rtc.encoders import VideoEncoder, VoiceEncoder
from stream_server.rtc.rates import BitRates
from stream_server.rtc.seams import set_report_time
from stream_server.rtc.tracks import OutgoingTimeline, PictureTrack, VoiceTrack

ObserveStage = Callable[[str, float], None]


class _TimedSender(RTCRtpSender):
    """Pairs RTP and NTP time by the outgoing time line.

    Cause, aiortc 1.16: a sender report pairs the time stamp of the latest packet with the moment it
    left, so one slow encode shifts the picture against the voice in every browser.
    Remove when: aiortc derives the NTP time of a report from the frame's own time stamp.
    """

    def __init__(
        self,
        track: VoiceTrack | PictureTrack,
        transport: RTCDtlsTransport,
        timeline: OutgoingTimeline,
    ) -> None:
        super().__init__(track, transport)
        self._timeline = timeline
        self._latest_s: float | None = None

    async def _send_rtcp(self, packets: list[AnyRtcpPacket]) -> None:
        for packet in packets:
            if isinstance(packet, RtcpSrPacket):
                if self._latest_s is None:
                    return  # nothing was sent yet: there is no pair to report
                ntp = self._timeline.ntp_at(self._latest_s)
                packet.sender_info.ntp_timestamp = ntp
                set_report_time(self, ntp)
        await super()._send_rtcp(packets)

    def _stamp(self, frame: av.AudioFrame | av.VideoFrame) -> int:
        assert frame.pts is not None
        assert frame.time_base is not None
        self._latest_s = float(frame.pts * frame.time_base)
        return frame.pts


class VoiceSender(_TimedSender):
    """Encodes in place: handing 20 ms of Opus to a thread costs more than encoding it."""

    def __init__(
        self, track: VoiceTrack, transport: RTCDtlsTransport, timeline: OutgoingTimeline
    ) -> None:
        super().__init__(track, transport, timeline)
        self._encoder = VoiceEncoder()

    async def _next_encoded_frame(self, codec: RTCRtpCodecParameters) -> RTCEncodedFrame | None:
        frame = cast(av.AudioFrame, await self.track.recv())
        if not self._enabled:
            return None
        payloads = self._encoder.encode(frame)
        if not payloads:
            return None
        return RTCEncodedFrame(payloads, self._stamp(frame), _level_dbov(frame))


class PictureSender(_TimedSender):
    """Encodes on a thread of its own session; follows the receiver's rate and keyframe requests."""

    def __init__(
        self,
        track: PictureTrack,
        transport: RTCDtlsTransport,
        timeline: OutgoingTimeline,
        *,
        executor: Executor,
        rates: BitRates,
        clock: Clock,
        observe_stage: ObserveStage,
    ) -> None:
        super().__init__(track, transport, timeline)
        self._executor = executor
        self._rates = rates
        self._clock = clock
        self._observe_stage = observe_stage
        self._encoder: VideoEncoder | None = None

    @property
    def encoder(self) -> VideoEncoder | None:
        """The encoder, once the codec is known and a frame was sent."""
        return self._encoder

    async def stop(self) -> None:
        await super().stop()
        self._encoder = None  # megabytes, and the library keeps its senders in reference cycles

    def _send_keyframe(self) -> None:
        if self._encoder is not None:
            self._encoder.keyframes.request()

    async def _handle_rtcp_packet(self, packet: AnyRtcpPacket) -> None:
        if isinstance(packet, RtcpPsfbPacket) and packet.fmt == RTCP_PSFB_APP:
            self._follow_estimate(packet.fci)
        else:
            await super()._handle_rtcp_packet(packet)

    def _follow_estimate(self, fci: bytes) -> None:
        try:
            bits_per_s, ssrcs = unpack_remb_fci(fci)
        except ValueError:
            return
        if self._ssrc in ssrcs and self._encoder is not None:
            self._encoder.rate.request(bits_per_s)

    async def _next_encoded_frame(self, codec: RTCRtpCodecParameters) -> RTCEncodedFrame | None:
        frame = cast(av.VideoFrame, await self.track.recv())
        if not self._enabled:
            return None
        if self._encoder is None:
            self._encoder = VideoEncoder(codec.name, self._rates)
        began_s = self._clock.now_s()
        loop = asyncio.get_running_loop()
        payloads = await loop.run_in_executor(self._executor, self._encoder.encode, frame)
        self._observe_stage("encode", self._clock.now_s() - began_s)
        if not payloads:
            return None
        return RTCEncodedFrame(payloads, self._stamp(frame), 0)


def _level_dbov(frame: av.AudioFrame) -> int:
    """Return the level for the header extension: 0 is full scale, -127 silence (RFC 6464)."""
    samples = frame.to_ndarray().astype(np.float32) / 32_768
    power = float(np.mean(np.square(samples)))
    return max(-127, round(10 * np.log10(power))) if power > 0 else -127

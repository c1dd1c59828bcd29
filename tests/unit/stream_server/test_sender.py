"""What sender reports say, and how feedback reaches the encoder; the transport is a list."""

from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import av
import numpy as np
import pytest
from aiortc import RTCRtpCodecParameters
from aiortc.rtp import (
    RTCP_PSFB_APP,
    RTCP_PSFB_PLI,
    RtcpPacket,
    RtcpPsfbPacket,
    RtcpSenderInfo,
    RtcpSrPacket,
    pack_remb_fci,
)

from stream_server.clock import MonotonicClock
from stream_server.rtc.rates import BitRates
from stream_server.rtc.sender import PictureSender, VoiceSender, _level_dbov
from stream_server.rtc.tracks import OutgoingTimeline, PictureTrack, VoiceTrack

H264 = RTCRtpCodecParameters(mimeType="video/H264", clockRate=90_000, payloadType=97)
OPUS = RTCRtpCodecParameters(mimeType="audio/opus", clockRate=48_000, channels=2, payloadType=96)


class Transport:
    state = "connected"

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    async def _send_rtp(self, data: bytes) -> None:
        self.sent.append(data)


class Rig:
    def __init__(self) -> None:
        self.transport, self.timeline = Transport(), OutgoingTimeline()
        self.voice, self.pictures = VoiceTrack(), PictureTrack()
        self.executor = ThreadPoolExecutor(1)
        self.stages: list[str] = []
        self.voice_sender = VoiceSender(self.voice, self.transport, self.timeline)  # type: ignore[arg-type]
        self.picture_sender = PictureSender(
            self.pictures,
            self.transport,  # type: ignore[arg-type]
            self.timeline,
            executor=self.executor,
            rates=BitRates(),
            clock=MonotonicClock(),
            observe_stage=lambda stage, seconds: self.stages.append(stage),
        )
        self.timeline.start()

    async def show(self, pts: int) -> None:
        self.pictures.waiting.put((pts, np.zeros((384, 256), np.uint8)))
        assert await self.picture_sender._next_encoded_frame(H264) is not None

    def reported(self) -> RtcpSenderInfo:
        (report,) = RtcpPacket.parse(self.transport.sent[-1])
        assert isinstance(report, RtcpSrPacket)
        return report.sender_info


@pytest.fixture
async def rig() -> Rig:
    return Rig()


def report(ssrc: int) -> RtcpSrPacket:
    return RtcpSrPacket(ssrc, RtcpSenderInfo(123 << 32, 5, 1, 1))


async def test_reports_carry_the_media_clock_not_the_send_time(rig: Rig) -> None:
    await rig.show(90_000 * 7)
    await rig.picture_sender._send_rtcp([report(rig.picture_sender._ssrc)])
    assert rig.reported().ntp_timestamp == rig.timeline.ntp_at(7.0)


async def test_reports_of_both_tracks_agree_on_the_time(rig: Rig) -> None:
    await rig.show(90_000 * 3)
    await rig.picture_sender._send_rtcp([report(1)])
    of_picture = rig.reported().ntp_timestamp
    rig.voice.waiting.put((48_000 * 3, np.zeros(960, np.int16)))
    await rig.voice_sender._next_encoded_frame(OPUS)
    await rig.voice_sender._send_rtcp([report(2)])
    assert rig.reported().ntp_timestamp == of_picture


async def test_nothing_is_reported_before_the_first_frame(rig: Rig) -> None:
    await rig.picture_sender._send_rtcp([report(1)])
    assert rig.transport.sent == []


async def test_estimates_and_keyframe_requests_reach_the_encoder(rig: Rig) -> None:
    await rig.show(0)
    encoder, ssrc = rig.picture_sender.encoder, rig.picture_sender._ssrc
    assert encoder is not None
    remb = RtcpPsfbPacket(RTCP_PSFB_APP, 1, 0, fci=pack_remb_fci(400_000, [ssrc]))
    await rig.picture_sender._handle_rtcp_packet(remb)
    broken = RtcpPsfbPacket(RTCP_PSFB_APP, 1, 0, fci=b"no estimate")
    await rig.picture_sender._handle_rtcp_packet(broken)
    assert encoder.rate.settle(10.0) == pytest.approx(400_000, rel=0.01)
    await rig.picture_sender._handle_rtcp_packet(RtcpPsfbPacket(RTCP_PSFB_PLI, 1, ssrc))
    assert encoder.keyframes.take(10.0)


async def test_pictures_are_encoded_on_the_sessions_own_thread(rig: Rig) -> None:
    await rig.show(0)
    assert rig.stages == ["encode"]
    assert len(rig.executor._threads) == 1


@pytest.mark.parametrize(("amplitude", "level"), [(0, -127), (32_767, 0), (3_277, -20), (1, -90)])
def test_level_of_a_constant_sound(amplitude: int, level: int) -> None:
    samples = np.full((1, 960), amplitude, np.int16)
    frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
    frame.time_base = Fraction(1, 48_000)
    assert _level_dbov(frame) == pytest.approx(level, abs=1)

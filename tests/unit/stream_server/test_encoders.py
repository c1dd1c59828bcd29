"""Real encoders, decoded again by the library the clients use."""

import av
import numpy as np
import pytest
from aiortc.codecs.h264 import H264Decoder, h264_depayload
from aiortc.codecs.vpx import Vp8Decoder, vp8_depayload
from aiortc.jitterbuffer import JitterFrame

from stream_server.rtc.encoders import VIDEO_TIME_BASE, VideoEncoder, VoiceEncoder
from stream_server.rtc.rates import BitRates

RATES = BitRates()
DECODERS = {"H264": (H264Decoder, h264_depayload), "VP8": (Vp8Decoder, vp8_depayload)}
RNG = np.random.default_rng(2)
NOISE = RNG.integers(0, 255, (384, 256), dtype=np.uint8)


def frame(index: int, image: np.ndarray | None = None) -> av.VideoFrame:
    if image is None:
        image = np.roll(NOISE, 5 * index, axis=1) // 4 + 64
    picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="yuv420p")
    picture.pts, picture.time_base = index * 3_600, VIDEO_TIME_BASE
    return picture


@pytest.mark.parametrize("codec", ["H264", "VP8"])
def test_what_is_encoded_can_be_decoded(codec: str) -> None:
    encoder = VideoEncoder(codec, RATES)
    decoder_class, depayload = DECODERS[codec]
    decoder = decoder_class()
    image = np.full((384, 256), 128, np.uint8)
    image[60:200, 40:200] = 220
    decoded = []
    for index in range(5):
        payloads = encoder.encode(frame(index, image))
        assert all(len(payload) <= 1_300 for payload in payloads)
        data = b"".join(depayload(payload) for payload in payloads)
        decoded += decoder.decode(JitterFrame(data, index * 3_600))
    last = decoded[-1]
    assert isinstance(last, av.VideoFrame)
    back = last.to_ndarray(format="yuv420p")
    assert np.abs(back.astype(int) - image).mean() < 4


@pytest.mark.parametrize("codec", ["H264", "VP8"])
def test_no_frame_waits_in_the_encoder(codec: str) -> None:
    encoder = VideoEncoder(codec, RATES)
    assert all(encoder.encode(frame(index)) for index in range(10))


@pytest.mark.parametrize("codec", ["H264", "VP8"])
def test_keyframes_come_at_the_start_and_on_request_only(codec: str) -> None:
    encoder = VideoEncoder(codec, RATES)
    for index in range(100):
        if index in (50, 52, 54):
            encoder.keyframes.request()
        encoder.encode(frame(index))
    assert encoder.keyframes_sent == 3  # the start, the first request, and one for the other two


@pytest.mark.parametrize("codec", ["H264", "VP8"])
def test_a_wavering_estimate_does_not_restart_the_encoder(codec: str) -> None:
    encoder = VideoEncoder(codec, RATES)
    for index in range(100):
        encoder.rate.request(800_000 + (150_000 if index % 2 else -150_000))
        encoder.encode(frame(index))
    assert encoder.keyframes_sent == 1


@pytest.mark.parametrize("codec", ["H264", "VP8"])
def test_the_bit_rate_follows_the_estimate(codec: str) -> None:
    def kbps(estimate: int) -> float:
        encoder = VideoEncoder(codec, RATES)
        encoder.rate.request(estimate)
        sizes = [sum(map(len, encoder.encode(frame(60 + index)))) for index in range(75)]
        return sum(sizes[25:]) * 8 / 2 / 1_000

    low, high = kbps(300_000), kbps(1_500_000)
    assert low < 0.6 * high
    assert high < 2_000


def test_voice_is_one_packet_per_20_ms() -> None:
    encoder = VoiceEncoder()
    silence = np.zeros((1, 960), np.int16)
    for index in range(10):
        piece = av.AudioFrame.from_ndarray(silence, format="s16", layout="mono")
        piece.sample_rate, piece.pts = 48_000, index * 960
        assert len(encoder.encode(piece)) == 1

"""Encoders of the outgoing tracks.

The library's own rebuild themselves (a keyframe, and a rate control that starts over) whenever the
receiver's estimate moves by a tenth, run x264 at preset ``medium`` on all cores, and put an audio
filter graph with a thread pool before Opus. These do not. Payloads are still packed by the library.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import Final

import av
from aiortc.codecs.base import Encoder
from aiortc.codecs.h264 import H264Encoder
from aiortc.codecs.vpx import Vp8Encoder
from av.video.frame import PictureType

from stream_server.media import VOICE_RATE_HZ
from stream_server.rtc.rates import BitRates, KeyframeGate, RateControl

VIDEO_TIME_BASE: Final = Fraction(1, 90_000)
VOICE_TIME_BASE: Final = Fraction(1, VOICE_RATE_HZ)
_FPS: Final = 25
_VOICE_BIT_RATE: Final = 48_000
_NO_PERIODIC_KEYFRAMES: Final = 3_000

VideoCodec = av.VideoCodecContext


class VideoEncoder:
    """Encodes one outgoing picture after another. Not thread-safe: one frame at a time.

    Attributes:
        rate: takes the receiver's estimates.
        keyframes: takes the receiver's requests.
        keyframes_sent: for tests and figures.
    """

    def __init__(self, codec_name: str, rates: BitRates) -> None:
        self._create, packetizer = _VIDEO_CODECS[codec_name]
        self._packetizer = packetizer()
        self._codec: VideoCodec | None = None
        self._shape = (0, 0, 0)  # bit rate, width, height
        self.rate = RateControl(rates)
        self.keyframes = KeyframeGate()
        self.keyframes_sent = 0

    def encode(self, frame: av.VideoFrame) -> list[bytes]:
        """Return the RTP payloads of a frame, whose ``pts`` counts 1/90,000 s."""
        assert frame.pts is not None
        at_s = float(frame.pts * VIDEO_TIME_BASE)
        codec = self._codec_at(at_s, frame.width, frame.height)
        frame.pict_type = PictureType.I if self.keyframes.take(at_s) else PictureType.NONE
        payloads: list[bytes] = []
        for packet in codec.encode(frame):
            self.keyframes_sent += packet.is_keyframe
            payloads += self._packetizer.pack(packet)[0]
        return payloads

    def _codec_at(self, at_s: float, width: int, height: int) -> VideoCodec:
        bit_rate = self.rate.settle(at_s)
        shape = (bit_rate, width, height)
        codec = self._codec
        if codec is None or shape != self._shape:
            codec = self._create(bit_rate)
            codec.width, codec.height, codec.bit_rate = width, height, bit_rate
            codec.pix_fmt = "yuv420p"
            codec.framerate = Fraction(_FPS)
            codec.time_base = VIDEO_TIME_BASE
            codec.gop_size = _NO_PERIODIC_KEYFRAMES
            codec.thread_count = 1
            self._codec, self._shape = codec, shape
        return codec


def _create_h264(bit_rate: int) -> VideoCodec:
    codec = av.CodecContext.create("libx264", "w")
    codec.profile = "Baseline"
    codec.options = {
        "preset": "ultrafast",
        "tune": "zerolatency",
        "level": "31",
        "maxrate": str(bit_rate),
        "bufsize": str(bit_rate // 2),
    }
    return codec


def _create_vp8(bit_rate: int) -> VideoCodec:
    codec = av.CodecContext.create("libvpx", "w")
    codec.qmin, codec.qmax = 2, 56
    codec.options = {
        "deadline": "realtime",
        "cpu-used": "-6",
        "lag-in-frames": "0",
        "minrate": str(bit_rate),  # equal to maxrate: constant bit rate
        "maxrate": str(bit_rate),
        "bufsize": str(bit_rate // 2),
        "undershoot-pct": "100",
        "overshoot-pct": "15",
        "static-thresh": "1",
    }
    return codec


_VIDEO_CODECS: Final[dict[str, tuple[Callable[[int], VideoCodec], Callable[[], Encoder]]]] = {
    "H264": (_create_h264, H264Encoder),
    "VP8": (_create_vp8, Vp8Encoder),
}


class VoiceEncoder:
    """Opus, mono, 20 ms a packet, with forward error correction for the receiver."""

    def __init__(self) -> None:
        codec = av.CodecContext.create("libopus", "w")
        codec.bit_rate = _VOICE_BIT_RATE
        codec.format = "s16"
        codec.layout = "mono"
        codec.sample_rate = VOICE_RATE_HZ
        codec.time_base = VOICE_TIME_BASE
        codec.options = {
            "application": "voip",
            "compression_level": "5",
            "fec": "1",
            "packet_loss": "5",
        }
        self._codec = codec

    def encode(self, frame: av.AudioFrame) -> list[bytes]:
        """Return the RTP payload of a frame of 960 samples."""
        return [bytes(packet) for packet in self._codec.encode(frame)]

"""A client on real WebRTC: speaks a voice, keeps what comes back with the time it belongs to."""

import asyncio
import json
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from fractions import Fraction

import av
import numpy as np
from aiortc import (
    RTCBundlePolicy,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from aiortc.rtp import AnyRtcpPacket, RtcpSrPacket
from numpy.typing import NDArray

from stream_server.inference.testcard import read_position
from stream_server.rtc.candidates import CandidatePolicy
from stream_server.rtc.seams import ice_connection

RATE_HZ = 48_000
_FRAME = 960


def babble(seconds: float, seed: int = 1) -> NDArray[np.int16]:
    """Return a gliding, syllable-shaped buzz with formants, which VAD takes for speech."""
    t = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    pitch_hz = 130 + 25 * np.sin(2 * np.pi * 0.7 * t + seed)
    phase = 2 * np.pi * np.cumsum(pitch_hz) / RATE_HZ
    harmonics = np.arange(1, 24)
    formants_hz = np.array([600, 1_150, 2_500])
    distances = (harmonics[:, None] * 130 - formants_hz) / 220
    gains = np.exp(-(distances**2)).sum(axis=1) + 0.05
    buzz = gains @ np.sin(harmonics[:, None] * phase)
    syllables = np.clip(np.sin(2 * np.pi * 2.5 * t), 0, 1) ** 0.5
    sound = buzz * syllables
    return np.asarray(sound / np.abs(sound).max() * 16_000, np.int16)


class VoiceSource(MediaStreamTrack):
    """Plays a sound once, in real time, then silence."""

    kind = "audio"

    def __init__(self, sound: NDArray[np.int16]) -> None:
        super().__init__()
        self._sound = sound
        self._index = 0
        self._start_s: float | None = None
        self.started_at_s: float | None = None

    async def recv(self) -> av.AudioFrame:
        if self._start_s is None:
            self._start_s = time.monotonic()
        await asyncio.sleep(max(0.0, self._start_s + self._index * 0.02 - time.monotonic()))
        piece = self._sound[self._index * _FRAME : (self._index + 1) * _FRAME]
        piece = np.pad(piece, (0, _FRAME - len(piece)))
        frame = av.AudioFrame.from_ndarray(piece.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts = RATE_HZ, self._index * _FRAME
        frame.time_base = Fraction(1, RATE_HZ)
        self._index += 1
        return frame


@dataclass(frozen=True)
class Picture:
    """A received picture of the test card.

    Attributes:
        at_s: its time stamp, on the wall clock of the sender once a sender report arrived.
        position: the media position it spells.
        opening: rows of open mouth.
        arrival_s: monotonic time of its arrival.
    """

    at_s: float
    position: int
    opening: int
    arrival_s: float


@dataclass(frozen=True)
class Sound:
    """20 ms of received sound; times as for `Picture`."""

    at_s: float
    samples: NDArray[np.int16]
    arrival_s: float


@dataclass
class Heard:
    """What came back. Times of the two tracks compare only after `Caller.aligned`."""

    pictures: list[Picture] = field(default_factory=list)
    sizes: set[tuple[int, int]] = field(default_factory=set)
    sound: list[Sound] = field(default_factory=list)
    events: list[dict[str, object]] = field(default_factory=list)

    def of_type(self, event_type: str) -> list[dict[str, object]]:
        return [event for event in self.events if event["type"] == event_type]

    def levels(self, since_s: float = 0.0) -> list[tuple[float, float]]:
        """Return (arrival, RMS) of the sound that arrived since a moment."""
        return [
            (sound.arrival_s, float(np.sqrt(np.mean(np.square(sound.samples.astype(float))))))
            for sound in self.sound
            if sound.arrival_s >= since_s
        ]


class Caller:
    """Offers audio both ways, video down and a data channel, as the web page does."""

    def __init__(
        self,
        sound: NDArray[np.int16],
        *,
        codec: str | None = None,
        include_loopback: bool = True,
        label: str = "avatar-events",
    ) -> None:
        self.heard = Heard()
        self._news = asyncio.Event()
        self.voice = VoiceSource(sound)
        self.connection = RTCPeerConnection(
            RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
        )
        audio = self.connection.addTransceiver(self.voice, direction="sendrecv")
        video = self.connection.addTransceiver("video", direction="recvonly")
        if codec is not None:
            known = RTCRtpSender.getCapabilities("video").codecs
            video.setCodecPreferences([c for c in known if c.mimeType == codec])
        ice_connection(audio).policy = CandidatePolicy(include_loopback)
        self.ice = ice_connection(audio)
        self.channel = self.connection.createDataChannel(label)
        self.channel.on("message", self._take_event)
        self.connection.on("track", self._take_track)
        self._tasks: list[asyncio.Task[None]] = []
        self._reports: dict[str, tuple[float, int]] = {}
        self._receivers = {t.kind: t.receiver for t in self.connection.getTransceivers()}
        for kind, receiver in self._receivers.items():
            receiver._handle_rtcp_packet = self._note_report(kind, receiver)  # type: ignore[method-assign, assignment]

    async def offer(self) -> str:
        await self.connection.setLocalDescription()
        return self.connection.localDescription.sdp

    async def accept(self, answer_sdp: str) -> None:
        await self.connection.setRemoteDescription(RTCSessionDescription(answer_sdp, "answer"))

    def send(self, message: dict[str, object] | str | bytes) -> None:
        self.channel.send(json.dumps(message) if isinstance(message, dict) else message)

    async def until(self, condition: Callable[[Heard], object], within_s: float = 30.0) -> None:
        """Wait until something was heard."""
        async with asyncio.timeout(within_s):
            while not condition(self.heard):
                self._news.clear()
                await self._news.wait()

    def aligned(self) -> tuple[list[Picture], list[Sound]]:
        """Return pictures and sound on one wall clock, as a browser does: by sender reports."""
        shift_s = {}
        for kind, rate_hz in (("video", 90_000), ("audio", RATE_HZ)):
            ntp_s, rtp = self._reports[kind]
            mapper = self._receivers[kind]._RTCRtpReceiver__timestamp_mapper  # type: ignore[attr-defined]
            shift_s[kind] = ntp_s - _signed32(rtp - mapper._origin) / rate_hz
        pictures, sound = self.heard.pictures, self.heard.sound
        return (
            [replace(piece, at_s=piece.at_s + shift_s["video"]) for piece in pictures],
            [replace(piece, at_s=piece.at_s + shift_s["audio"]) for piece in sound],
        )

    async def sees_frames(self, count: int, within_s: float = 30.0) -> None:
        """Wait until that many different frames arrived from now on."""
        known = {picture.position for picture in self.heard.pictures}
        await self.until(
            lambda heard: len({p.position for p in heard.pictures} - known) >= count, within_s
        )

    async def close(self) -> None:
        await self.connection.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _note_report(
        self, kind: str, receiver: RTCRtpReceiver
    ) -> Callable[[AnyRtcpPacket], Coroutine[None, None, None]]:
        handle = receiver._handle_rtcp_packet

        async def note(packet: AnyRtcpPacket) -> None:
            if isinstance(packet, RtcpSrPacket):
                sender = packet.sender_info
                self._reports[kind] = (sender.ntp_timestamp / (1 << 32), sender.rtp_timestamp)
            await handle(packet)

        return note

    def _take_event(self, text: str) -> None:
        self.heard.events.append(json.loads(text))
        self._news.set()

    def _take_track(self, track: MediaStreamTrack) -> None:
        take = self._watch if track.kind == "video" else self._listen
        self._tasks.append(asyncio.get_running_loop().create_task(take(track)))

    async def _watch(self, track: MediaStreamTrack) -> None:
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            assert isinstance(frame, av.VideoFrame)
            image = np.asarray(frame.to_ndarray(format="yuv420p"), np.uint8)
            self.heard.sizes.add((frame.width, frame.height))
            dark = image[: frame.height * 15 // 16, frame.width // 2] < 90
            picture = Picture(frame.time, read_position(image), int(dark.sum()), time.monotonic())
            self.heard.pictures.append(picture)
            self._news.set()

    async def _listen(self, track: MediaStreamTrack) -> None:
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            assert isinstance(frame, av.AudioFrame)
            samples = np.asarray(frame.to_ndarray(), np.int16)
            first = samples.reshape(-1, len(frame.layout.channels))[:, 0]
            assert frame.time is not None
            self.heard.sound.append(Sound(frame.time, first, time.monotonic()))


def _signed32(difference: int) -> int:
    return ((difference + (1 << 31)) & 0xFFFF_FFFF) - (1 << 31)

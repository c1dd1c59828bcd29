"""A caller: speaks a recording into a real WebRTC call and notes what comes back, and when."""

import asyncio
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

import av
import numpy as np
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError
from numpy.typing import NDArray

from emolive.errors import WorkError
from realtime_model.contract import RgbImage
from stream_server.media import VOICE_RATE_HZ, Voice

HEARD_RATE_HZ: Final = 8_000
"""What is kept of the voice that comes back: enough to find it in the recording."""

_BLOCK: Final = VOICE_RATE_HZ // 50
_KEPT_IMAGES: Final = 750
_CONNECT_TIMEOUT_S: Final = 20.0
_EVENTS_LABEL: Final = "avatar-events"


@dataclass(slots=True)
class CallRecord:
    """Everything a call brought; times are monotonic seconds of this process.

    Attributes:
        spoken_from_s: when the first sample of the recording was handed to the encoder.
        frame_s: arrival of each video frame.
        images: the latest frames, as (arrival, picture); bounded.
        heard_s: arrival of each block of sound.
        heard: the blocks, 8 kHz.
        server_stats: the server's own figures, the latest ``avatar.stats`` event.
    """

    asked_s: float
    connected_s: float = 0.0
    spoken_from_s: float = 0.0
    frame_s: list[float] = field(default_factory=list)
    images: list[tuple[float, RgbImage]] = field(default_factory=list)
    heard_s: list[float] = field(default_factory=list)
    heard: list[NDArray[np.float32]] = field(default_factory=list)
    server_stats: dict[str, object] = field(default_factory=dict)


class RecordingTrack(MediaStreamTrack):
    """A microphone that plays a recording over and over, 20 ms at a time, on the beat."""

    kind = "audio"

    def __init__(self, recording: Voice) -> None:
        super().__init__()
        self._recording = recording
        self._next = 0
        self.started_s: float | None = None

    async def recv(self) -> av.AudioFrame:
        if self.started_s is None:
            self.started_s = time.monotonic()
        due_s = self.started_s + self._next / VOICE_RATE_HZ
        await asyncio.sleep(max(0.0, due_s - time.monotonic()))
        place = np.arange(self._next, self._next + _BLOCK) % len(self._recording)
        frame = av.AudioFrame.from_ndarray(self._recording[place][None], "s16", "mono")
        frame.sample_rate, frame.pts = VOICE_RATE_HZ, self._next
        frame.time_base = Fraction(1, VOICE_RATE_HZ)
        self._next += _BLOCK
        return frame


async def make_call(url: str, recording: Voice, seconds: float) -> CallRecord:
    """Call the server, speak for ``seconds`` once connected, hang up.

    Raises:
        WorkError: the server refuses, cannot be reached, or ends the call.
    """
    # No STUN server: a benchmark has no business on the public network.
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    microphone = RecordingTrack(recording)
    call = _Call(peer, microphone)
    try:
        async with asyncio.TaskGroup() as group:
            await call.connect(url)
            readers = [group.create_task(call.watch()), group.create_task(call.hear())]
            await asyncio.sleep(seconds)
            for reader in readers:
                reader.cancel()
    except* WorkError as errors:
        raise errors.exceptions[0] from None
    finally:
        await call.hang_up(url)
    return call.record


class _Call:
    def __init__(self, peer: RTCPeerConnection, microphone: RecordingTrack) -> None:
        self._peer, self._microphone = peer, microphone
        self._location: str | None = None
        self._tracks: dict[str, MediaStreamTrack] = {}
        self._settled = asyncio.Event()
        self.record = CallRecord(asked_s=time.monotonic())
        peer.on("track", self._keep_track)
        peer.on("connectionstatechange", self._note_state)

    async def connect(self, url: str) -> None:
        self._peer.addTrack(self._microphone)
        self._peer.addTransceiver("video", direction="recvonly")
        events = self._peer.createDataChannel(_EVENTS_LABEL)
        self._listen(events)
        await self._peer.setLocalDescription(await self._peer.createOffer())
        self.record.asked_s = time.monotonic()
        self._location, answer = await asyncio.to_thread(
            _post_offer, url, self._peer.localDescription.sdp
        )
        await self._peer.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                await self._settled.wait()
        except TimeoutError as exc:
            raise WorkError("The call was answered, but no connection came about.") from exc
        if self._peer.connectionState != "connected":
            raise WorkError(f"The connection is {self._peer.connectionState}.")
        self.record.connected_s = time.monotonic()

    async def hang_up(self, url: str) -> None:
        await self._peer.close()
        if self._location is not None:
            await asyncio.to_thread(_delete, urllib.parse.urljoin(url, self._location))

    async def watch(self) -> None:
        while True:
            frame = await self._next_frame("video")
            assert isinstance(frame, av.VideoFrame)
            now_s = time.monotonic()
            self.record.frame_s.append(now_s)
            image = frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
            self.record.images.append((now_s, image))
            del self.record.images[:-_KEPT_IMAGES]

    async def hear(self) -> None:
        while True:
            frame = await self._next_frame("audio")
            assert isinstance(frame, av.AudioFrame)
            self.record.spoken_from_s = self._microphone.started_s or 0.0
            self.record.heard_s.append(time.monotonic())
            # Opus decodes to interleaved stereo at 48 kHz.
            mono = frame.to_ndarray().reshape(-1, len(frame.layout.channels)).mean(axis=1)
            slow = mono.reshape(-1, frame.sample_rate // HEARD_RATE_HZ).mean(axis=1)
            self.record.heard.append(slow.astype(np.float32) / 32_768)

    async def _next_frame(self, kind: str) -> object:
        track = self._tracks.get(kind)
        if track is None:
            raise WorkError(f"The server sends no {kind}.")
        try:
            return await track.recv()
        except MediaStreamError as exc:
            raise WorkError(f"The server ended the {kind} during the call.") from exc

    def _keep_track(self, track: MediaStreamTrack) -> None:
        self._tracks[track.kind] = track

    def _note_state(self) -> None:
        if self._peer.connectionState in ("connected", "failed", "closed"):
            self._settled.set()

    def _listen(self, events: RTCDataChannel) -> None:
        def note(message: object) -> None:
            event = json.loads(message) if isinstance(message, str) else {}
            if event.get("type") == "avatar.stats":
                self.record.server_stats = event

        events.on("message", note)


def _post_offer(url: str, sdp: str) -> tuple[str, str]:
    """Return the new session's location and the answer."""
    request = urllib.request.Request(
        urllib.parse.urljoin(url, "/v1/realtime/calls"),
        data=sdp.encode(),
        headers={"Content-Type": "application/sdp"},
        method="POST",
    )
    try:
        with urllib.request.urlopen(request, timeout=_CONNECT_TIMEOUT_S) as response:
            return response.headers["Location"], response.read().decode()
    except urllib.error.HTTPError as exc:
        raise WorkError(f"The server refused the call: {_problem(exc)}") from exc
    except OSError as exc:
        raise WorkError(f"{url} cannot be reached: {getattr(exc, 'reason', exc)}.") from exc


def _problem(error: urllib.error.HTTPError) -> str:
    """Return the sentence of an RFC 9457 problem document, or the bare status."""
    try:
        return str(json.loads(error.read())["detail"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP status {error.code}."


def _delete(location: str) -> None:
    request = urllib.request.Request(location, method="DELETE")
    try:
        with urllib.request.urlopen(request, timeout=5):
            pass
    except OSError:
        return  # the session ends by itself when its peer is gone

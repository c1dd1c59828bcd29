"""The two outbound tracks and the one clock that feeds them."""

import contextlib
from collections.abc import Callable

import av
import numpy as np
from aiortc.clock import current_ntp_time
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

from stream_server.channel import LiveChannel
from stream_server.clock import Clock
from stream_server.errors import ChannelClosedError
from stream_server.media import VOICE_RATE_HZ, I420Image, Voice
from stream_server.pipeline.playout import Beat, Playout
from stream_server.rtc.encoders import VIDEO_TIME_BASE, VOICE_TIME_BASE

_HALF = VOICE_RATE_HZ // 50  # 20 ms: what one Opus packet carries
_LOST_BEATS_S = 0.2


class OutgoingTimeline:
    """Ties the time stamps of both tracks to one wall clock, so that a receiver can align them.

    Time stamps count from the first beat; what sender reports say follows from them alone, not from
    the moment an encoder happened to finish.
    """

    def __init__(self) -> None:
        self._origin_ntp: int | None = None

    def start(self) -> None:
        self._origin_ntp = current_ntp_time()

    def ntp_at(self, at_s: float) -> int:
        """Return the NTP time, 32.32 fixed point, of ``at_s`` seconds after the first beat."""
        assert self._origin_ntp is not None
        return self._origin_ntp + round(at_s * (1 << 32))


class VoiceTrack(MediaStreamTrack):
    """Outgoing sound; at most 200 ms wait for the encoder."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self.waiting: LiveChannel[tuple[int, Voice]] = LiveChannel("voice_out", capacity=10)

    async def recv(self) -> av.AudioFrame:
        try:
            pts, voice = await self.waiting.get()
        except ChannelClosedError as exc:
            raise MediaStreamError from exc
        frame = av.AudioFrame.from_ndarray(voice.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = VOICE_RATE_HZ
        frame.pts, frame.time_base = pts, VOICE_TIME_BASE
        return frame

    def stop(self) -> None:
        self.waiting.close()
        super().stop()


class PictureTrack(MediaStreamTrack):
    """Outgoing pictures; only the newest waits for the encoder."""

    kind = "video"

    def __init__(self) -> None:
        super().__init__()
        self.waiting: LiveChannel[tuple[int, I420Image]] = LiveChannel("picture_out", capacity=1)

    async def recv(self) -> av.VideoFrame:
        try:
            pts, image = await self.waiting.get()
        except ChannelClosedError as exc:
            raise MediaStreamError from exc
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="yuv420p")
        frame.pts, frame.time_base = pts, VIDEO_TIME_BASE
        return frame

    def stop(self) -> None:
        self.waiting.close()
        super().stop()


class BeatDrive:
    """Asks the playout clock for a beat every frame duration and hands it to both tracks.

    Time stamps follow the clock: beats the process slept through are missing in both tracks alike.

    Attributes:
        slept: beats that were left out because the process was late by more than 200 ms.
    """

    def __init__(
        self,
        playout: Playout,
        *,
        voice: VoiceTrack,
        pictures: PictureTrack,
        timeline: OutgoingTimeline,
        clock: Clock,
        frame_s: float,
        on_beat: Callable[[Beat], None],
    ) -> None:
        self._playout = playout
        self._voice, self._pictures = voice, pictures
        self._timeline = timeline
        self._clock = clock
        self._frame_s = frame_s
        self._on_beat = on_beat
        self.slept = 0

    async def run(self) -> None:
        """Run until cancelled, or until the tracks are stopped."""
        with contextlib.suppress(ChannelClosedError):
            await self._run()

    async def _run(self) -> None:
        start_s = self._clock.now_s()
        self._timeline.start()
        index = 0
        while True:
            await self._clock.sleep_until(start_s + index * self._frame_s)
            lag_s = self._clock.now_s() - start_s - index * self._frame_s
            if lag_s > _LOST_BEATS_S:
                lost = int(lag_s / self._frame_s)
                index += lost
                self.slept += lost
            beat = self._playout.beat(self._clock.now_s())
            at_s = index * self._frame_s
            self._pictures.waiting.put((round(at_s / VIDEO_TIME_BASE), beat.image))
            pts = round(at_s * VOICE_RATE_HZ)
            self._voice.waiting.put((pts, beat.voice[:_HALF]))
            self._on_beat(beat)
            await self._clock.sleep_until(start_s + at_s + self._frame_s / 2)
            self._voice.waiting.put((pts + _HALF, beat.voice[_HALF:]))
            index += 1

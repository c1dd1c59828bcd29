"""From RTP packets to `AudioPacket`s: reorder, decode, conceal, resample, stamp with media time."""

import logging

import av
import numpy as np

from stream_server.channel import LiveChannel
from stream_server.clock import Clock
from stream_server.media import VOICE_PER_ANALYSIS, VOICE_RATE_HZ, AudioPacket, Voice
from stream_server.pipeline.decimate import Decimator
from stream_server.rtc.concealment import Concealment
from stream_server.rtc.receive_buffer import AudioReceiveBuffer, Encoded

log = logging.getLogger(__name__)


class VoiceIngest:
    """Delivers an unbroken voice, in step with the clock, whether or not packets arrive.

    Media time starts when `run` starts. Before the first packet, and while the microphone is mute
    or the network is gone, there is silence.
    """

    def __init__(self, clock: Clock) -> None:
        self.packets: LiveChannel[AudioPacket] = LiveChannel("ingest", capacity=100)
        self._clock = clock
        self._buffer: AudioReceiveBuffer | None = None
        self._decoder = av.CodecContext.create("libopus", "r")
        assert isinstance(self._decoder, av.AudioCodecContext)
        self._decoder.sample_rate = VOICE_RATE_HZ
        self._decoder.layout = "mono"
        self._decoder.format = "s16"
        self._concealment = Concealment()
        self._decimator = Decimator()
        self._position = 0

    @property
    def late(self) -> int:
        """Packets that came too late to be heard."""
        return self._buffer.late if self._buffer else 0

    def feed(self, timestamp: int, payload: bytes) -> None:
        """Take in the payload of one RTP packet, as it comes from the network."""
        if self._buffer is None or self.packets.is_closed:
            return
        now_s = self._clock.now_s()
        self._buffer.push(timestamp, payload, now_s)
        self._release(self._buffer, now_s)

    async def run(self) -> None:
        """Keep time: fill in for packets that do not come."""
        buffer = self._buffer = AudioReceiveBuffer(self._clock.now_s())
        try:
            while True:
                await self._clock.sleep_until(buffer.deadline_s)
                self._release(buffer, self._clock.now_s())
        finally:
            self.packets.close()

    def _release(self, buffer: AudioReceiveBuffer, now_s: float) -> None:
        for piece in buffer.take(now_s):
            voice = self._decode(piece) if isinstance(piece, Encoded) else None
            if voice is None:
                voice = self._concealment.fill(piece.samples)
            else:
                voice = self._concealment.pass_through(voice)
            self.packets.put(AudioPacket(self._position, self._decimator.push(voice), voice))
            self._position += len(voice) // VOICE_PER_ANALYSIS

    def _decode(self, packet: Encoded) -> Voice | None:
        """Return the decoded sound, or None where the payload is broken."""
        try:
            frames = self._decoder.decode(av.Packet(packet.payload))
        except av.FFmpegError:
            log.debug("voice packet not decodable")
            return None
        if not frames:
            return None
        voice = np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames])
        return voice if len(voice) == packet.samples else None

"""The stages of a connected session: listen, render, play, obey, report."""

import asyncio
import contextlib
import dataclasses
import logging
from collections.abc import Callable, Coroutine
from typing import Final

from stream_server.clock import Clock
from stream_server.errors import EngineUnavailableError
from stream_server.inference.engine import InferenceEngine
from stream_server.media import ANALYSIS_RATE_HZ, AudioPacket, I420Image
from stream_server.pipeline.framer import Framer
from stream_server.pipeline.ladder import Quality, QualityLadder
from stream_server.pipeline.playout import Beat, Playout
from stream_server.pipeline.vad import VoiceActivity
from stream_server.rtc.control import INTERRUPTIONS
from stream_server.rtc.peer import Peer
from stream_server.rtc.tracks import BeatDrive
from stream_server.session.figures import SessionFigures
from stream_server.session.terms import EndReason, SessionMetrics, SessionOptions

log = logging.getLogger(__name__)

_RENDER_SHARE: Final = 0.75  # of a hop: what rendering may take before the first adjustment
_MAX_DELAY_S: Final = 1.0
_GRACE_S: Final = 0.2  # frames this late still come in useful: the sound may wait for them
_REPORT_S: Final = 1.0


class Live:
    """Carries one voice to one avatar and back. Every stage runs until it is cancelled."""

    def __init__(
        self,
        *,
        stream_id: str,
        peer: Peer,
        engine: InferenceEngine,
        resting: I420Image,
        options: SessionOptions,
        clock: Clock,
        metrics: SessionMetrics,
        end: Callable[[EndReason], None],
    ) -> None:
        geometry = engine.geometry
        self._stream_id = stream_id
        self._peer = peer
        self._control = peer.control
        self._engine = engine
        self._options = options
        self._clock = clock
        self._metrics = metrics
        self._end = end
        self._hop_frames = geometry.hop_frames
        self._vad = VoiceActivity()
        self._framer = Framer(geometry)
        self._playout = Playout(
            geometry,
            resting,
            initial_delay_s=(1 + _RENDER_SHARE) * geometry.hop_s
            + geometry.lookahead_frames * geometry.frame_s,
            max_delay_s=_MAX_DELAY_S,
        )
        steps = options.stream.steps
        self._ladder = QualityLadder(can_reduce_steps=steps is None or steps > 1)
        self._quality_moved = asyncio.Event()
        self._began_s = self._active_s = self._heard_s = clock.now_s()
        self._heard = 0
        self._is_paused = False
        self._presence = "idle"
        self._announced = Quality.FULL
        self._has_shown = False
        self._dropped: dict[str, int] = {}
        self.epoch = 0
        self.figures = SessionFigures(geometry.frame_s, clock.now_s())
        self._control.send(
            "session.created",
            session={
                "id": stream_id,
                "fps": geometry.fps,
                "width": geometry.width_px,
                "height": geometry.height_px,
            },
        )

    @property
    def stages(self) -> tuple[Callable[[], Coroutine[None, None, None]], ...]:
        """What to run side by side, once the peer is connected."""
        return (
            self._peer.ingest.run,
            self.listen,
            self.show,
            self.play,
            self.obey,
            self.adapt,
            self.report,
            self.watch_peer,
        )

    async def listen(self) -> None:
        """Judge the voice, cut it into windows, and ask for their frames."""
        async for packet in self._peer.ingest.packets:
            is_speech = self._judge(packet)
            self._playout.push_voice(packet, is_speech, self._clock.now_s())
            for window in self._framer.push(packet, is_speech):
                if self._is_paused or self._ladder.quality is Quality.HELD:
                    continue
                after = (window.chunk_index + 1) * self._hop_frames
                self._engine.submit(
                    self._stream_id,
                    window,
                    epoch=self.epoch,
                    deadline_s=self._playout.due_s(after) + _GRACE_S,
                )

    async def show(self) -> None:
        """Pass rendered frames to the playout clock."""
        async for chunk in self._engine.chunks(self._stream_id):
            self._metrics.observe_stage("render", chunk.render_s)
            late = self._playout.push_chunk(chunk, self._clock.now_s())
            self.figures.count_dropped(late)
            for _ in range(late):
                self._metrics.count_frame("skipped")
        self._end(EndReason.FAILED)  # the model gave the stream up

    async def play(self) -> None:
        """Send a beat every frame duration."""
        drive = BeatDrive(
            self._playout,
            voice=self._peer.voice,
            pictures=self._peer.pictures,
            timeline=self._peer.timeline,
            clock=self._clock,
            frame_s=self._engine.geometry.frame_s,
            on_beat=self._follow_beat,
        )
        await drive.run()

    async def obey(self) -> None:
        """Do what the client asks for on the data channel."""
        while True:
            command = await self._control.commands.get()
            self._active_s = self._clock.now_s()
            if command.type in INTERRUPTIONS:
                self._interrupt()
                self._control.send(
                    "output_audio_buffer.cleared", epoch=self.epoch, reply_to=command.event_id
                )

    async def adapt(self) -> None:
        """Follow the quality ladder where it asks the model for fewer steps, or for all again."""
        chosen = self._options.stream
        fewer = dataclasses.replace(chosen, steps=1)
        current = chosen
        while True:
            await self._quality_moved.wait()
            self._quality_moved.clear()
            wanted = chosen if self._ladder.quality is Quality.FULL else fewer
            if wanted == current:
                continue
            # A model process that is lost meanwhile opens the stream anew with these options.
            with contextlib.suppress(EngineUnavailableError):
                await self._engine.change_options(self._stream_id, wanted)
            current = wanted

    async def report(self) -> None:
        """Once a second: figures to the client, liveness and limits."""
        while True:
            await self._clock.sleep_until(self._clock.now_s() + _REPORT_S)
            now_s = self._clock.now_s()
            self._check_liveness(now_s)
            self._send_stats(now_s)
            if now_s - self._began_s > self._options.max_duration_s:
                self._end(EndReason.MAX_DURATION)
            if now_s - self._active_s > self._options.idle_timeout_s:
                self._end(EndReason.IDLE)

    async def watch_peer(self) -> None:
        """End the session when the client hangs up."""
        await self._peer.gone.wait()
        self._end(EndReason.CLIENT_LEFT)

    def _judge(self, packet: AudioPacket) -> bool:
        """Return whether a packet is speech, and tell the client when that changes."""
        before = self._vad.is_speech
        is_speech = self._vad.push(packet.analysis)
        at_ms = round(packet.end / ANALYSIS_RATE_HZ * 1_000)
        if is_speech:
            self._active_s = self._clock.now_s()
        if is_speech and not before:
            self._control.send("input_audio_buffer.speech_started", audio_start_ms=at_ms)
        elif before and not is_speech:
            self._control.send("input_audio_buffer.speech_stopped", audio_end_ms=at_ms)
        return is_speech

    def _interrupt(self) -> None:
        """Drop everything that was said before now, at every stage."""
        self.epoch += 1
        self._peer.ingest.packets.clear()
        self._framer.silence_pending()
        self._playout.interrupt(self.epoch, self._framer.next_chunk_index * self._hop_frames)
        self._peer.voice.waiting.clear()

    def _follow_beat(self, beat: Beat) -> None:
        self.figures.observe(beat)
        self._metrics.count_frame("held" if beat.is_late else "shown")
        for _ in range(beat.skipped):
            self._metrics.count_frame("skipped")
        if beat.shown is not None and beat.shown == beat.position and beat.delay_s is not None:
            self._metrics.observe_mic_to_lips(beat.delay_s)
            self._announce_first_frame()
        self._announce_presence(beat)
        is_suspended = self._is_paused or not self._engine.is_ready
        if not is_suspended and self._ladder.observe(beat.is_late):
            self._quality_moved.set()
        quality = Quality.HELD if is_suspended else self._ladder.quality
        self._playout.is_holding = quality is Quality.HELD
        if quality is not self._announced:
            self._announced = quality
            self._control.send(
                "avatar.quality_changed", level=quality.value, reason=self._quality_reason()
            )

    def _quality_reason(self) -> str:
        if self._is_paused:
            return "peer_silent"
        if not self._engine.is_ready:
            return "model_restarting"
        return "recovered" if self._ladder.quality is Quality.FULL else "too_slow"

    def _announce_first_frame(self) -> None:
        if not self._has_shown:
            self._has_shown = True
            since_ms = round((self._clock.now_s() - self._began_s) * 1_000)
            self._control.send("avatar.first_frame", since_connect_ms=since_ms)

    def _announce_presence(self, beat: Beat) -> None:
        presence = "talking" if beat.is_speech else "listening" if self._vad.is_speech else "idle"
        if presence != self._presence:
            self._control.send("avatar.state_updated", old_state=self._presence, new_state=presence)
            self._presence = presence

    def _check_liveness(self, now_s: float) -> None:
        """Pause for a peer that fell silent, and give it up after a while."""
        if self._peer.heard != self._heard:
            self._heard, self._heard_s = self._peer.heard, now_s
        silent_s = now_s - self._heard_s
        self._is_paused = silent_s > self._options.pause_after_s
        if silent_s > self._options.lost_after_s:
            self._end(EndReason.PEER_LOST)

    def _send_stats(self, now_s: float) -> None:
        summary = self.figures.summarise(now_s)
        self._metrics.observe_skew(summary.av_skew_s)
        channels = (
            self._peer.ingest.packets,
            self._peer.voice.waiting,
            self._peer.pictures.waiting,
            self._engine.chunks(self._stream_id),
        )
        for channel in channels:
            kind = channel.name.partition("/")[0]
            fresh = channel.dropped - self._dropped.get(kind, 0)
            self._dropped[kind] = channel.dropped
            if fresh:
                self._metrics.count_dropped(kind, fresh)
        self._control.send(
            "avatar.stats",
            fps=round(summary.fps, 1),
            late_frames=summary.late_frames,
            dropped_frames=summary.dropped_frames,
            mic_to_lips_ms={
                "p50": _as_ms(summary.mic_to_lips_p50_s),
                "p95": _as_ms(summary.mic_to_lips_p95_s),
            },
            av_skew_ms=_as_ms(summary.av_skew_s),
            steps=1 if self._ladder.quality is not Quality.FULL else self._options.stream.steps,
            epoch=self.epoch,
        )


def _as_ms(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1_000)

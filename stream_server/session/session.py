"""One user, from offer to close: a stream of the model, a peer connection, and what ties them."""

import asyncio
import logging
from typing import Final

from realtime_model.contract import RgbImage
from stream_server.clock import Clock
from stream_server.inference.engine import InferenceEngine
from stream_server.rtc.candidates import CandidatePolicy
from stream_server.rtc.offer import check_offer
from stream_server.rtc.peer import Peer
from stream_server.rtc.rates import BitRates
from stream_server.session.live import Live
from stream_server.session.terms import EndReason, SessionMetrics, SessionOptions, SessionStats

__all__ = ["EndReason", "Session", "SessionMetrics", "SessionOptions", "SessionStats"]

log = logging.getLogger(__name__)

_FAREWELL_S: Final = 0.05


class Session:
    """Answers one offer, then runs until somebody ends it; nothing of it is left afterwards.

    `answer`, then `run`, once each. Who answers and does not run must `close`.
    """

    def __init__(
        self,
        *,
        session_id: str,
        portrait: RgbImage,
        engine: InferenceEngine,
        options: SessionOptions,
        clock: Clock,
        metrics: SessionMetrics,
    ) -> None:
        self._id = session_id
        self._portrait = portrait
        self._engine = engine
        self._options = options
        self._clock = clock
        self._metrics = metrics
        self._began_s = clock.now_s()
        self._ended: asyncio.Future[EndReason] = asyncio.get_running_loop().create_future()
        self._peer: Peer | None = None
        self._live: Live | None = None

    @property
    def id(self) -> str:
        return self._id

    async def answer(self, offer_sdp: str) -> str:
        """Open the stream and return the SDP answer; on any error nothing stays open.

        Raises:
            SdpError: the offer cannot be read or served.
            WorkerFaultError: the model refused the portrait.
            EngineUnavailableError: the model is not ready.
        """
        check_offer(offer_sdp)
        try:
            resting = await self._engine.open_stream(self._id, self._portrait, self._options.stream)
            peer = self._peer = Peer(
                policy=CandidatePolicy(self._options.ice_include_loopback),
                rates=BitRates(),
                clock=self._clock,
                observe_stage=self._metrics.observe_stage,
            )
            self._live = Live(
                stream_id=self._id,
                peer=peer,
                engine=self._engine,
                resting=resting,
                options=self._options,
                clock=self._clock,
                metrics=self._metrics,
                end=self.end,
            )
            return await peer.answer(offer_sdp)
        except BaseException:
            await self.close()
            raise

    async def run(self) -> EndReason:
        """Run until `end` is called, the peer leaves or a limit is reached; then release all."""
        peer, live = self._peer, self._live
        assert peer is not None, "answer comes first"
        assert live is not None
        reason = EndReason.FAILED
        try:
            if await self._connect(peer):
                reason = await self._run_stages(live)
            else:
                reason = self._ended.result()
        except* Exception:
            log.exception("session failed")
        finally:
            peer.control.send("session.ended", reason=reason.value)
            await self._clock.sleep_until(self._clock.now_s() + _FAREWELL_S)
            await self.close()
        return reason

    def end(self, reason: EndReason) -> None:
        """Let `run` return; the first reason counts."""
        if not self._ended.done():
            self._ended.set_result(reason)

    def stats(self) -> SessionStats:
        figures = self._live.figures.latest if self._live else None
        return SessionStats(
            session_id=self._id,
            is_connected=self._peer is not None and self._peer.is_connected,
            age_s=self._clock.now_s() - self._began_s,
            epoch=self._live.epoch if self._live else 0,
            fps=figures.fps if figures else 0.0,
            mic_to_lips_p50_s=figures.mic_to_lips_p50_s if figures else None,
            mic_to_lips_p95_s=figures.mic_to_lips_p95_s if figures else None,
        )

    async def close(self) -> None:
        """Release everything; for a session whose `run` is never reached. Safe to call twice."""
        peer, self._peer, self._live = self._peer, None, None  # they know us: no cycle stays
        if peer is not None:
            await peer.close()
        await self._engine.close_stream(self._id)

    async def _connect(self, peer: Peer) -> bool:
        """Wait until media can flow; False when the session ended before."""
        async with asyncio.TaskGroup() as group:
            connected = group.create_task(peer.connected.wait())
            await asyncio.wait(
                (connected, self._ended),
                timeout=self._options.connect_timeout_s,
                return_when=asyncio.FIRST_COMPLETED,
            )
            connected.cancel()
        if not peer.connected.is_set():
            self.end(EndReason.CONNECT_TIMEOUT)
        elif peer.gone.is_set():
            self.end(EndReason.CLIENT_LEFT)
        return not self._ended.done()

    async def _run_stages(self, live: Live) -> EndReason:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(stage(), name=f"{self._id}/{stage.__name__}")
                for stage in live.stages
            ]
            reason = await self._ended
            for task in tasks:
                task.cancel()
        return reason

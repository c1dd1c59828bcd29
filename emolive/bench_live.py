"""A live call measured from the outside: real WebRTC, real packets, a shipped recording."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, ClassVar, Final

import numpy as np

from emolive.bench_model import RECORDING
from emolive.errors import WorkError
from emolive.lips import match_lips, voice_delays
from emolive.live_call import HEARD_RATE_HZ, CallRecord, make_call
from emolive.report import Percentiles, Report
from emolive.sound import SoundFile, VoiceBlocks
from stream_server.media import VOICE_RATE_HZ, Voice

_READY_TIMEOUT_S: Final = 120.0
_STOP_TIMEOUT_S: Final = 15.0
_FPS: Final = 25


@dataclass(frozen=True, slots=True)
class LiveFigures(Report):
    """What one call brought; ``server_...`` is what the server says of itself, the rest measured.

    Attributes:
        setup_s: offer posted until connected.
        first_frame_s: offer posted until the first decoded frame.
        fps: received frames per second, from the first to the last.
        frame_gap_ms: time between one received frame and the next.
        freezes: gaps longer than both three usual gaps and one usual gap + 150 ms.
        mic_to_voice_ms: a sample spoken until it came back, this caller's receive buffer included.
        lips_after_voice_ms: mouth opening against loudness; positive if the lips are late.
        lips_correlation: of mouth opening and loudness at that lag.
    """

    title: ClassVar[str] = "bench live"

    seconds: float
    setup_s: float
    first_frame_s: float
    frames: int
    fps: float
    frame_gap_ms: Percentiles
    freezes: int
    mic_to_voice_ms: Percentiles | None
    lips_after_voice_ms: float | None
    lips_correlation: float | None
    server_mic_to_lips_ms: dict[str, float] | None
    server_av_skew_ms: float | None


def measure_live(
    seconds: float, *, url: str | None, model: str, threads: int | None
) -> LiveFigures:
    """Make one call and return its figures.

    Args:
        seconds: length of the call once it is connected.
        url: a running server; None starts one on a free port and ends it afterwards.
        model: model of the server that is started.
        threads: CPU threads of that model; None takes the server's default.

    Raises:
        WorkError: the server does not start, refuses, or sends no picture.
    """
    recording = read_recording()
    if url is not None:
        record = asyncio.run(make_call(url, recording, seconds))
    else:
        with running_server(model, threads) as own_url:
            record = asyncio.run(make_call(own_url, recording, seconds))
    return figures(record, recording, seconds)


def figures(record: CallRecord, recording: Voice, seconds: float) -> LiveFigures:
    """Turn what a call brought into figures.

    Raises:
        WorkError: there were not even two frames.
    """
    if len(record.frame_s) < 2:
        raise WorkError(f"Only {len(record.frame_s)} frames came in {seconds:.0f} s.")
    gaps_s: list[float] = np.diff(record.frame_s).tolist()
    step = VOICE_RATE_HZ // HEARD_RATE_HZ
    whole = len(recording) // step * step
    said = recording[:whole].reshape(-1, step).mean(axis=1).astype(np.float32) / 32_768
    delays = (
        voice_delays(said, record.spoken_from_s, record.heard, record.heard_s, HEARD_RATE_HZ)
        if record.heard
        else []
    )
    lips = match_lips(record.images, record.heard, record.heard_s) if record.heard else None
    skew = record.server_stats.get("av_skew_ms")
    latency = record.server_stats.get("mic_to_lips_ms")
    return LiveFigures(
        seconds=seconds,
        setup_s=round(record.connected_s - record.asked_s, 3),
        first_frame_s=round(record.frame_s[0] - record.asked_s, 3),
        frames=len(record.frame_s),
        fps=round(len(gaps_s) / (record.frame_s[-1] - record.frame_s[0]), 2),
        frame_gap_ms=Percentiles.of([gap * 1e3 for gap in gaps_s]),
        freezes=count_freezes(gaps_s),
        mic_to_voice_ms=Percentiles.of([s * 1e3 for s in delays]) if delays else None,
        lips_after_voice_ms=None if lips is None else round(lips.lag_s * 1e3, 1),
        lips_correlation=None if lips is None else lips.correlation,
        server_mic_to_lips_ms=latency if isinstance(latency, dict) else None,
        server_av_skew_ms=float(skew) if isinstance(skew, int | float) else None,
    )


def count_freezes(gaps_s: Sequence[float]) -> int:
    """Count frozen moments, as the W3C's ``freezeCount`` does.

    Source: Identifiers for WebRTC's Statistics API, ``freezeCount``.
    """
    usual_s = float(np.mean(gaps_s))
    return int(np.sum(np.asarray(gaps_s) > max(3 * usual_s, usual_s + 0.150)))


def read_recording() -> Voice:
    """Return the shipped recording at 48 kHz.

    Raises:
        WorkError: it is missing.
    """
    if not RECORDING.is_file():
        raise WorkError(f"{RECORDING} is missing: reinstall emolive to restore it.")
    blocks = VoiceBlocks()
    with SoundFile(RECORDING) as sound:
        voice = [block for frame in sound.frames() for block in blocks.push(frame)]
    return np.concatenate([*voice, *blocks.finish()])


@contextmanager
def running_server(model: str, threads: int | None) -> Iterator[str]:
    """Start a server on a free port, give its address once it is ready, end it afterwards.

    Raises:
        WorkError: it ends by itself or does not become ready; with what it said last.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "emolive", "serve", f"--port={port}"]
    command += [f"--model={model}"]
    if threads is not None:
        command += [f"--threads={threads}"]
    with (
        tempfile.TemporaryFile("w+") as words,
        subprocess.Popen(
            command, stdout=words, stderr=words, env=os.environ | {"PYTHONUNBUFFERED": "1"}
        ) as server,
    ):
        try:
            _wait_until_ready(url, server, words)
            yield url
        finally:
            server.send_signal(signal.SIGTERM)
            try:
                server.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                server.kill()


def _wait_until_ready(url: str, server: subprocess.Popen[bytes], words: IO[str]) -> None:
    give_up_s = time.monotonic() + _READY_TIMEOUT_S
    while time.monotonic() < give_up_s:
        if server.poll() is not None:
            raise WorkError(f"The server ended: {_last_line(words)}")
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=2):
                return
        except (urllib.error.HTTPError, OSError):
            time.sleep(0.1)
    raise WorkError(f"The server was not ready in {_READY_TIMEOUT_S:.0f} s: {_last_line(words)}")


def _last_line(words: IO[str]) -> str:
    words.seek(0)
    lines = [line.strip() for line in words if line.strip()]
    return lines[-1] if lines else "it said nothing."

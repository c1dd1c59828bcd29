"""How fast the model is by itself: the calls the server makes, on a recording, in this process."""

import resource
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

import cv2
import numpy as np

import realtime_model
from emolive.errors import WorkError
from emolive.generate import WindowCutter, load_portrait
from emolive.report import Percentiles, Report
from emolive.sound import SoundFile
from realtime_model.contract import AudioWindow, AvatarModel, StreamOptions
from realtime_model.geometry import WindowGeometry
from stream_server.avatars.catalogue import AvatarCatalogue
from stream_server.avatars.errors import UnknownAvatarError

ASSETS = Path(realtime_model.__file__).parent / "assets"
RECORDING = ASSETS / "speech" / "hello.wav"
_STREAM = "bench"
_WARM_UP_CHUNKS = 3


class Stopwatch(Protocol):
    """Surrounds each stage of `AvatarModel.render` with what ``listener`` returns for its name."""

    listener: Callable[[str], AbstractContextManager[object]] | None


@runtime_checkable
class TimesStages(Protocol):
    """A model may say where the time of `AvatarModel.render` goes."""

    timed: Stopwatch


@dataclass(frozen=True, slots=True)
class ModelFigures(Report):
    """What was measured; times are wall-clock time, and other load on the machine is in them."""

    title: ClassVar[str] = "bench model"

    audio_s: float
    chunks: int
    fps: int
    width_px: int
    height_px: int
    load_s: float
    open_s: float
    chunk_ms: Percentiles
    realtime_factor: Percentiles
    frame_ms_by_stage: dict[str, float]
    peak_memory_mib: int


def measure_model(build: Callable[[], AvatarModel], seconds: float) -> ModelFigures:
    """Render ``seconds`` of the shipped recording and time every chunk.

    Raises:
        WorkError: the shipped recording or portrait is missing.
    """
    started_s = time.perf_counter()
    model = build()
    loaded_s = time.perf_counter()
    portrait = load_portrait(demo_portrait())
    open_from_s = time.perf_counter()
    model.open(_STREAM, portrait, StreamOptions())
    opened_s = time.perf_counter()
    shape = model.geometry
    try:
        windows = recorded_windows(shape)
        for window in islice(windows, _WARM_UP_CHUNKS):
            model.render({_STREAM: window})
        spent = StageTimes(model)
        for window in islice(windows, max(1, round(seconds / shape.hop_s))):
            spent.render(window)
    finally:
        model.close(_STREAM)
    return ModelFigures(
        audio_s=round(len(spent.chunk_s) * shape.hop_s, 2),
        chunks=len(spent.chunk_s),
        fps=shape.fps,
        width_px=shape.width_px,
        height_px=shape.height_px,
        load_s=round(loaded_s - started_s, 3),
        open_s=round(opened_s - open_from_s, 3),
        chunk_ms=Percentiles.of([s * 1e3 for s in spent.chunk_s]),
        realtime_factor=Percentiles.of([s / shape.hop_s for s in spent.chunk_s]),
        frame_ms_by_stage=spent.frame_ms(),
        peak_memory_mib=peak_memory_mib(),
    )


class StageTimes:
    """Renders windows and keeps the time of each chunk, and of each stage in total."""

    def __init__(self, model: AvatarModel) -> None:
        self._model = model
        self._stage_s: dict[str, float] = defaultdict(float)
        self.chunk_s: list[float] = []
        if isinstance(model, TimesStages):
            model.timed.listener = lambda stage: self._timing(f"render/{stage}")

    def render(self, window: AudioWindow) -> None:
        """Render one window and bring its frames to YUV, as the server's model process does."""
        started_s = time.perf_counter()
        with self._timing("render"):
            frames = self._model.render({_STREAM: window})[_STREAM].frames
        with self._timing("to_yuv"):
            for image in frames:
                cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2YUV_I420)
        self.chunk_s.append(time.perf_counter() - started_s)

    def frame_ms(self) -> dict[str, float]:
        """Return milliseconds per frame by stage; ``render/...`` are parts of ``render``."""
        frames = len(self.chunk_s) * self._model.geometry.hop_frames
        return {name: round(s * 1e3 / frames, 3) for name, s in self._stage_s.items()}

    @contextmanager
    def _timing(self, stage: str) -> Iterator[None]:
        started_s = time.perf_counter()
        yield
        self._stage_s[stage] += time.perf_counter() - started_s


def recorded_windows(shape: WindowGeometry) -> Iterator[AudioWindow]:
    """Yield the windows of the shipped recording, spoken over and over.

    Raises:
        WorkError: the recording is missing.
    """
    if not RECORDING.is_file():
        raise WorkError(f"{RECORDING} is missing: reinstall emolive to restore it.")
    cutter = WindowCutter(shape)
    while True:
        with SoundFile(RECORDING) as sound:
            for frame in sound.frames():
                yield from cutter.push(frame)


def demo_portrait() -> Path:
    """Return the first shipped portrait.

    Raises:
        WorkError: there is none.
    """
    shipped = ASSETS / "portraits"
    try:
        # Uploads play no part here: none lie beside the shipped portraits.
        catalogue = AvatarCatalogue(directory=shipped, shipped_dir=shipped, max_stored=0)
        return catalogue.get(None).picture
    except UnknownAvatarError as exc:
        raise WorkError(f"{shipped} holds no portrait: reinstall emolive to restore it.") from exc


def peak_memory_mib() -> int:
    """Return the most memory this process ever held."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // 2**20 if sys.platform == "darwin" else peak // 2**10

"""Everything that crosses the border of the model process: small things, no pixels, no sound."""

from dataclasses import dataclass

from realtime_model.contract import StreamOptions
from realtime_model.geometry import WindowGeometry
from stream_server.media import I420Image


@dataclass(frozen=True, slots=True)
class WorkerFault:
    """An error, in words: exceptions with constructors of their own do not survive pickling."""

    code: str
    message: str


# Server to worker


@dataclass(frozen=True, slots=True)
class UseSlots:
    """Answer to `Built`: the shared memory for sound and frames."""

    name: str
    count: int


@dataclass(frozen=True, slots=True)
class OpenStream:
    """Prepare a stream; its portrait lies in the shared memory of this name.

    Attributes:
        shape: of the portrait, (height, width, 3).
    """

    request_id: int
    stream_id: str
    portrait_name: str
    shape: tuple[int, int, int]
    options: StreamOptions


@dataclass(frozen=True, slots=True)
class CloseStream:
    """Forget a stream."""

    stream_id: str


@dataclass(frozen=True, slots=True)
class SlotJob:
    """One window of a batch: its sound lies in slot ``slot``, and its frames go there."""

    stream_id: str
    slot: int
    chunk_index: int
    is_speech: bool


@dataclass(frozen=True, slots=True)
class Render:
    """Render a batch, one window per stream."""

    jobs: tuple[SlotJob, ...]


# Worker to server


@dataclass(frozen=True, slots=True)
class Built:
    """The model is loaded."""

    geometry: WindowGeometry


@dataclass(frozen=True, slots=True)
class Ready:
    """A warm-up window was rendered."""

    warmup_s: float


@dataclass(frozen=True, slots=True)
class StartFailed:
    """The model cannot be loaded or does not run; the process ends."""

    fault: WorkerFault


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Nothing to do, and alive."""


@dataclass(frozen=True, slots=True)
class Opened:
    """Answer to `OpenStream`."""

    request_id: int
    resting: I420Image


@dataclass(frozen=True, slots=True)
class Refused:
    """The other answer to `OpenStream`."""

    request_id: int
    fault: WorkerFault


@dataclass(frozen=True, slots=True)
class Rendered:
    """Answer to `Render`: the frames lie in the slots, except those of streams that are unknown."""

    render_s: float


@dataclass(frozen=True, slots=True)
class RenderFailed:
    """The other answer to `Render`."""

    fault: WorkerFault


ToWorker = UseSlots | OpenStream | CloseStream | Render
FromWorker = Built | Ready | StartFailed | Heartbeat | Opened | Refused | Rendered | RenderFailed

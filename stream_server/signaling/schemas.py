"""The JSON bodies of the HTTP API."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from realtime_model.portrait import PortraitCheck
from stream_server.avatars.catalogue import Avatar
from stream_server.avatars.preflight import Report
from stream_server.session.terms import SessionStats


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CheckView(_Body):
    """One question asked of a picture."""

    name: str = Field(description="Stable word, such as no_face or not_frontal.")
    ok: bool
    message: str = Field(description="What was found, as a sentence.")
    advice: str = Field(description="What to do about it; empty when ok.")

    @classmethod
    def of(cls, check: PortraitCheck) -> Self:
        return cls(name=check.name, ok=check.ok, message=check.message, advice=check.advice)


class FieldError(_Body):
    """One part of a request that is not valid."""

    where: str
    message: str


class Problem(_Body):
    """RFC 9457: what went wrong, and what to do about it."""

    type: str = Field(description="Identifies the kind of problem; GET it for a description.")
    title: str
    status: int
    detail: str
    code: str = Field(description="Stable word for programs.")
    advice: str = Field(description="What the reader can do.")
    checks: list[CheckView] | None = None
    errors: list[FieldError] | None = None


class ProblemKind(_Body):
    """What all problems with one code have in common."""

    code: str
    status: int
    title: str
    advice: str


class AvatarView(_Body):
    """One portrait that can be made to speak."""

    id: str
    name: str
    description: str
    is_shipped: bool = Field(description="Comes with the program; cannot be deleted.")
    source: str
    licence: str
    created_at: str | None = Field(description="ISO 8601, UTC; null for demo portraits.")
    preview: str = Field(description="Path of the picture.")

    @classmethod
    def of(cls, avatar: Avatar) -> Self:
        return cls(
            id=avatar.id,
            name=avatar.name,
            description=avatar.description,
            is_shipped=avatar.is_shipped,
            source=avatar.source,
            licence=avatar.licence,
            created_at=avatar.created_at,
            preview=f"/v1/avatars/{avatar.id}/preview",
        )


class AvatarList(_Body):
    """Every avatar; the first is the default."""

    avatars: list[AvatarView]


class CreatedAvatar(AvatarView):
    """A new avatar, and what its picture was checked for."""

    checks: list[CheckView]


class Crop(_Body):
    """The square that would be used, in pixels of the upright picture; may reach outside it."""

    left: float
    top: float
    right: float
    bottom: float


class PreflightReport(_Body):
    """Whether a picture can become an avatar, and why not."""

    ok: bool
    checks: list[CheckView] = Field(description="In order; the first failed one decides.")
    width: int = Field(description="Of the upright picture; 0 if unreadable.")
    height: int
    crop: Crop | None = Field(description="Null where no face was found.")

    @classmethod
    def of(cls, report: Report) -> Self:
        crop = None
        if report.crop is not None:
            left, top, right, bottom = (round(side, 1) for side in report.crop)
            crop = Crop(left=left, top=top, right=right, bottom=bottom)
        return cls(
            ok=report.ok,
            checks=[CheckView.of(check) for check in report.checks],
            width=report.width_px,
            height=report.height_px,
            crop=crop,
        )


class SessionView(_Body):
    """A look at a running session."""

    id: str
    state: Literal["connecting", "live"]
    age_s: float
    epoch: int = Field(description="Grows by one with every interruption.")
    fps: float
    mic_to_lips_p50_ms: float | None
    mic_to_lips_p95_ms: float | None

    @classmethod
    def of(cls, stats: SessionStats) -> Self:
        def ms(seconds: float | None) -> float | None:
            return None if seconds is None else round(seconds * 1000, 1)

        return cls(
            id=stats.session_id,
            state="live" if stats.is_connected else "connecting",
            age_s=round(stats.age_s, 3),
            epoch=stats.epoch,
            fps=round(stats.fps, 2),
            mic_to_lips_p50_ms=ms(stats.mic_to_lips_p50_s),
            mic_to_lips_p95_ms=ms(stats.mic_to_lips_p95_s),
        )


class Liveness(_Body):
    """The event loop answers."""

    status: Literal["alive"] = "alive"


class ReadyCheck(_Body):
    """One condition of readiness."""

    name: str
    ok: bool
    message: str


class Readiness(_Body):
    """Whether new sessions can start."""

    status: Literal["ready", "not_ready"]
    checks: list[ReadyCheck]
    sessions: int = Field(description="Sessions now.")
    max_sessions: int


class Limits(_Body):
    """What the server accepts."""

    max_sessions: int
    max_session_s: float
    idle_timeout_s: float
    upload_bytes: int
    upload_pixels: int
    min_side_px: int
    max_side_px: int


class Capabilities(_Body):
    """What this server can do."""

    version: str
    model: str
    width: int
    height: int
    fps: int
    hop_ms: float = Field(description="Sound answered by one model call.")
    lookahead_ms: float = Field(description="Future sound a call needs: latency.")
    default_avatar: str | None
    options: dict[str, dict[str, float]] = Field(description="Bounds of the session options.")
    image_types: list[str]
    limits: Limits

"""Every knob of the server, typed, bounded and described.

Precedence: command line > ``EMOLIVE_*`` environment > YAML file > default. A nested field is
reached with two underscores: ``EMOLIVE_SERVER__PORT=9000``. A name nobody knows stops the start-up.
"""

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    YamlConfigSettingsSource,
)

from realtime_model.errors import ConfigError
from realtime_model.presets import preset_path
from stream_server.errors import ServerError

ENV_PREFIX = "EMOLIVE_"
CONFIG_VARIABLE = "EMOLIVE_CONFIG"
LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")
_ROOT = Path(__file__).resolve().parent.parent
_SHIPPED_CLIENT = _ROOT / "client_web"
_SHIPPED_PORTRAITS = _ROOT / "realtime_model" / "assets" / "portraits"
_MIB = 1024 * 1024


class SettingsError(ServerError):
    """The configuration cannot be used; the sentence names the key and where it was set."""

    code = "bad_settings"


def _split_commas(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _known_model(name: str) -> str:
    if name != "testcard":
        try:
            preset_path(name)
        except ConfigError as exc:
            raise ValueError(str(exc)) from exc
    return name


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_commas)]
"""A list in YAML, a comma-separated text in the environment."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ServerSection(_Section):
    """Where the server listens and whom it answers."""

    host: str = Field("127.0.0.1", min_length=1, description="Address to listen on.")
    port: int = Field(8080, ge=0, le=65_535, description="TCP port; 0 takes a free one.")
    allowed_hosts: Names = Field(
        (),
        description="Host names clients may use besides loopback names; empty: only those when "
        "listening on loopback, otherwise any. Guards against DNS rebinding.",
    )
    allowed_origins: Names = Field(
        (),
        description="Web origins besides the server's own that may call the API and embed the "
        "page, such as https://example.com.",
    )
    client_dir: Path | None = Field(
        _SHIPPED_CLIENT, description="Folder of the web page served at /; null serves none."
    )
    max_body_bytes: int = Field(
        _MIB,
        ge=1024,
        le=64 * _MIB,
        description="Largest request body; uploads have their own limit.",
    )
    header_timeout_s: float = Field(
        10, gt=0, le=120, description="A request line and its headers must arrive within this time."
    )
    body_timeout_s: float = Field(
        30, gt=0, le=600, description="A whole request body must arrive within this time."
    )
    drain_timeout_s: float = Field(
        30,
        ge=0,
        le=3_600,
        description="On SIGTERM: seconds that sessions may go on before they are ended.",
    )


class InferenceSection(_Section):
    """The model process."""

    model: Annotated[str, AfterValidator(_known_model)] = Field(
        "default",
        description="default: the embedded network; emo-sd15, or the path of a preset: a network "
        "made of added weights; testcard: a level meter, no network.",
    )
    threads: int = Field(2, ge=1, le=256, description="CPU threads of the model process.")
    start_timeout_s: float = Field(
        600,
        gt=0,
        le=7_200,
        description="Loading and warming up may take this long; compiling a large network does.",
    )
    restart_backoff_s: float = Field(
        0.5, gt=0, le=60, description="First pause before a crashed model process is started again."
    )

    @property
    def model_name(self) -> str:
        """What callers and metrics are told: a name, never a path of this machine."""
        return Path(self.model).stem


class SessionsSection(_Section):
    """Admission and limits of sessions."""

    max_sessions: int = Field(2, ge=1, le=1_000, description="Sessions at the same time.")
    max_per_address: int = Field(4, ge=1, le=1_000, description="Sessions of one client address.")
    new_per_minute: int = Field(
        10, ge=1, le=100_000, description="New sessions per minute and client address."
    )
    limit_loopback: bool = Field(
        False, description="Apply the two limits per address to clients on this machine as well."
    )
    connect_timeout_s: float = Field(
        10, gt=0, le=120, description="An answered offer must connect within this time."
    )
    pause_after_s: float = Field(
        5, gt=0, le=60, description="Rendering pauses when the peer has been silent this long."
    )
    lost_after_s: float = Field(
        20, gt=0, le=300, description="A session ends when the peer has been silent this long."
    )
    max_duration_s: float = Field(3_600, gt=0, le=7 * 86_400, description="Longest session.")
    idle_timeout_s: float = Field(
        300,
        gt=0,
        le=86_400,
        description="A session without speech or message ends after this time.",
    )


class AvatarsSection(_Section):
    """Portraits: where they are kept and what may be uploaded."""

    directory: Path = Field(Path("var/avatars"), description="Folder of the uploaded portraits.")
    shipped_dir: Path | None = Field(
        _SHIPPED_PORTRAITS, description="Folder of the demo portraits; null shows none."
    )
    max_stored: int = Field(200, ge=0, le=100_000, description="Uploaded portraits kept at most.")
    max_upload_bytes: int = Field(
        10 * _MIB, ge=1024, le=100 * _MIB, description="Largest picture file."
    )
    max_pixels: int = Field(
        4096 * 4096, ge=4096, le=100_000_000, description="Most pixels of a picture (16 MP)."
    )
    min_side_px: int = Field(64, ge=16, le=4096, description="Shortest side of a picture.")
    max_side_px: int = Field(8192, ge=64, le=65_535, description="Longest side of a picture.")
    decode_timeout_s: float = Field(
        10, gt=0, le=60, description="Time the decoding process may take for one picture."
    )
    decode_memory_bytes: int = Field(
        512 * _MIB,
        ge=128 * _MIB,
        le=8192 * _MIB,
        description="Address space of the decoding process.",
    )


class MediaSection(_Section):
    """What WebRTC offers."""

    ice_include_loopback: bool | None = Field(
        None,
        description="Offer 127.0.0.1 as a candidate, so that a browser on a machine without a "
        "network connects; null: only when listening on loopback.",
    )


class LoggingSection(_Section):
    """What is written to standard error."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Least severity that is written."
    )
    format: Literal["auto", "json", "text"] = Field(
        "auto", description="auto: text on a terminal, one JSON object per line elsewhere."
    )


class Settings(BaseSettings):
    """All settings, read once in ``app.py``; sections are passed down."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix=ENV_PREFIX, env_nested_delimiter="__"
    )

    server: ServerSection = ServerSection()
    inference: InferenceSection = InferenceSection()
    sessions: SessionsSection = SessionsSection()
    avatars: AvatarsSection = AvatarsSection()
    media: MediaSection = MediaSection()
    logging: LoggingSection = LoggingSection()

    @model_validator(mode="after")
    def _sides_in_order(self) -> "Settings":
        if self.avatars.min_side_px > self.avatars.max_side_px:
            raise ValueError("avatars.min_side_px must not exceed avatars.max_side_px")
        return self

    @property
    def listens_on_loopback(self) -> bool:
        return self.server.host in LOOPBACK_HOSTS

    @property
    def ice_includes_loopback(self) -> bool:
        chosen = self.media.ice_include_loopback
        return self.listens_on_loopback if chosen is None else chosen

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, YamlConfigSettingsSource(settings_cls)


def load_settings(
    config_path: Path | None = None, overrides: Mapping[str, object] | None = None
) -> Settings:
    """Read the settings from all sources.

    Args:
        config_path: YAML file; None takes the one named by ``EMOLIVE_CONFIG``, or none at all.
        overrides: values from the command line by dotted name (``{"server.port": 9000}``); None
            means that the option was not given.

    Raises:
        SettingsError: a file is missing or broken, a name is unknown, or a value is out of bounds.
    """
    if config_path is None and (named := os.environ.get(CONFIG_VARIABLE)):
        config_path = Path(named)
    _check_environment()
    if config_path is not None:
        _check_file(config_path)

    class Configured(Settings, yaml_file=config_path):
        pass

    nested: dict[str, dict[str, object]] = {}
    for dotted, value in (overrides or {}).items():
        section, _, key = dotted.partition(".")
        if value is not None:
            nested.setdefault(section, {})[key] = value
    try:
        return Configured(**nested)  # type: ignore[arg-type]  # validated by pydantic
    except ValidationError as exc:
        raise SettingsError(_sentence(exc, config_path, nested)) from exc


def _known_keys() -> dict[str, list[str]]:
    return {
        name: list(field.annotation.model_fields)
        for name, field in Settings.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
    }


def _check_environment() -> None:
    """Refuse ``EMOLIVE_*`` names nobody reads: the library ignores misspelt sections in silence."""
    known = {CONFIG_VARIABLE} | {
        f"{ENV_PREFIX}{section}__{key}".upper()
        for section, keys in _known_keys().items()
        for key in keys
    }
    for name in os.environ:
        if name.upper().startswith(ENV_PREFIX) and name.upper() not in known:
            raise SettingsError(f"unknown environment variable {name}{_hint(name.upper(), known)}")


def _check_file(path: Path) -> None:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise SettingsError(f"cannot read {path}: {exc.strerror}") from exc
    except (yaml.YAMLError, UnicodeDecodeError) as exc:
        raise SettingsError(f"{path} is not valid YAML: {' '.join(str(exc).split())}") from exc
    if content is not None and not isinstance(content, dict):
        raise SettingsError(f"{path} must hold sections such as 'server:' with keys below them")


def _sentence(
    exc: ValidationError, config_path: Path | None, overrides: Mapping[str, Mapping[str, object]]
) -> str:
    """Say what is wrong with the first bad value, and where it was set."""
    problem = exc.errors()[0]
    names = [str(part) for part in problem["loc"]]
    dotted = ".".join(names)
    if problem["type"] == "extra_forbidden":
        known = _known_keys()
        options = known.get(names[0], []) if len(names) > 1 else list(known)
        text = f"unknown key {dotted!r}{_hint(names[-1], options)}"
    elif dotted:
        text = f"{dotted}: {problem['msg']}, got {problem['input']!r}"
    else:
        text = str(problem["msg"])
    return f"{_source(names, config_path, overrides)}{text}"


def _source(
    names: list[str], config_path: Path | None, overrides: Mapping[str, Mapping[str, object]]
) -> str:
    if len(names) > 1 and names[1] in overrides.get(names[0], {}):
        return "command line: "
    variable = ENV_PREFIX + "__".join(names[:2]).upper()
    if any(name.upper() == variable for name in os.environ):
        return f"{variable}: "
    return f"{config_path}: " if config_path else ""


def _hint(name: str, options: object) -> str:
    matches = difflib.get_close_matches(name, [str(o) for o in options], n=1)  # type: ignore[attr-defined]
    return f"; did you mean {matches[0]}?" if matches else ""

from pathlib import Path

import pytest
import yaml

from stream_server.settings import Settings, SettingsError, load_settings

SHIPPED = Path(__file__).parents[3] / "configs" / "server.yaml"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in list(os.environ):
        if name.startswith("EMOLIVE_"):
            monkeypatch.delenv(name)


def write(folder: Path, text: str) -> Path:
    path = folder / "server.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_command_line_wins_over_environment_over_file_over_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, "server: {port: 1111, host: 0.0.0.0, body_timeout_s: 7}")
    monkeypatch.setenv("EMOLIVE_SERVER__PORT", "2222")
    monkeypatch.setenv("EMOLIVE_SERVER__HOST", "10.0.0.1")
    server = load_settings(path, {"server.port": 3333, "server.host": None}).server
    assert (server.port, server.host, server.body_timeout_s) == (3333, "10.0.0.1", 7)
    assert server.drain_timeout_s == 30


def test_file_is_found_through_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMOLIVE_CONFIG", str(write(tmp_path, "server: {port: 1111}")))
    assert load_settings().server.port == 1111


def test_lists_are_comma_separated_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOLIVE_SERVER__ALLOWED_ORIGINS", "https://a.example, https://b.example")
    origins = load_settings().server.allowed_origins
    assert origins == ("https://a.example", "https://b.example")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("server: {prot: 1}", ["server.prot", "did you mean port?", "server.yaml"]),
        ("sever: {port: 1}", ["'sever'", "did you mean server?", "server.yaml"]),
        ("server: {port: 99999}", ["server.port", "99999", "server.yaml"]),
        ("server: {port: web}", ["server.port", "'web'"]),
        ("server: [1, 2]", ["server"]),
        ("- 1", ["must hold sections"]),
        ("server: {port: [", ["not valid YAML"]),
        ("avatars: {min_side_px: 900, max_side_px: 800}", ["min_side_px must not exceed"]),
    ],
)
def test_file_that_cannot_be_used_is_named_with_the_key(
    tmp_path: Path, text: str, names: list[str]
) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(write(tmp_path, text))
    for name in names:
        assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"cannot read .*none\.yaml"):
        load_settings(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("EMOLIVE_SERVER__PROT", "1", "did you mean EMOLIVE_SERVER__PORT?"),
        ("EMOLIVE_SEVER__PORT", "1", "did you mean EMOLIVE_SERVER__PORT?"),
        ("EMOLIVE_PORT", "1", "unknown environment variable EMOLIVE_PORT"),
        ("EMOLIVE_SERVER__PORT", "many", "EMOLIVE_SERVER__PORT: server.port"),
    ],
)
def test_environment_that_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert words in str(caught.value)


def test_command_line_value_out_of_bounds_is_named() -> None:
    with pytest.raises(SettingsError, match=r"command line: sessions\.max_sessions"):
        load_settings(None, {"sessions.max_sessions": 0})


def test_shipped_file_is_complete_and_holds_the_defaults() -> None:
    assert load_settings(SHIPPED).model_dump() == Settings().model_dump()
    text = SHIPPED.read_text(encoding="utf-8")
    held = yaml.safe_load(text)
    for section, field in Settings.model_fields.items():
        assert section in held
        for key in field.annotation.model_fields:  # type: ignore[union-attr]
            assert f"{key}:" in text, f"{section}.{key} is not in {SHIPPED.name}"


def test_every_field_is_described() -> None:
    for field in Settings.model_fields.values():
        for name, inner in field.annotation.model_fields.items():  # type: ignore[union-attr]
            assert inner.description, f"{name} needs a description"


def test_a_model_is_known_or_a_file(tmp_path: Path) -> None:
    own = tmp_path / "mine.yaml"
    own.write_text("config: {}")
    names = {"default": "default", "testcard": "testcard", "emo-sd15": "emo-sd15", str(own): "mine"}
    for model, told in names.items():
        settings = load_settings(None, {"inference.model": model})
        assert settings.inference.model == model
        assert settings.inference.model_name == told
    with pytest.raises(
        SettingsError, match="no preset and no file is called emo-sd16: use default"
    ):
        load_settings(None, {"inference.model": "emo-sd16"})


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings().server.port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("host", "chosen", "expected"),
    [("127.0.0.1", None, True), ("0.0.0.0", None, False), ("0.0.0.0", True, True)],
)
def test_loopback_candidates_follow_the_listening_address(
    host: str, chosen: bool | None, expected: bool
) -> None:
    settings = load_settings(None, {"server.host": host, "media.ice_include_loopback": chosen})
    assert settings.ice_includes_loopback is expected

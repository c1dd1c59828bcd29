import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from emolive.cli import main
from emolive.errors import InputError, WorkError, exit_code
from emolive.generate import FilmRequest
from emolive.progress import Report
from emolive.training import STAGES
from realtime_model.contract import StreamOptions
from realtime_model.errors import CheckpointError, PortraitError
from tests.unit.emolive.conftest import MakeSound, TinyModel


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["emolive", *map(str, arguments)])
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


@pytest.fixture
def model_module(monkeypatch: pytest.MonkeyPatch, model: TinyModel) -> TinyModel:
    """Put the tiny model where the command line looks for the real one."""
    factory = ModuleType("realtime_model.factory")
    factory.build_model = lambda path, *, threads: model  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "realtime_model.factory", factory)
    return model


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[FilmRequest]:
    """The films asked for on the command line; none is made."""
    import emolive.generate as module

    asked: list[FilmRequest] = []

    def note(request: FilmRequest, build: object, report: Report) -> None:
        asked.append(request)
        raise WorkError("enough")

    monkeypatch.setattr(module, "generate_film", note)
    return asked


def test_help_lists_every_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--help") == 0
    shown = capsys.readouterr().out
    for command in ("serve", "generate", "bench", "doctor", "train", "evaluate"):
        assert command in shown


def test_generate_writes_a_film(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    model_module: TinyModel,
    portrait: Path,
    make_sound: MakeSound,
    tmp_path: Path,
) -> None:
    output = tmp_path / "film.mp4"
    assert run(monkeypatch, "generate", portrait, make_sound(), "-o", output, "--seed", 7) == 0
    assert output.stat().st_size > 1_000
    assert "1.00 s, 25 frames" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("generate", "nobody.png", "nothing.wav", "-o", "film.mp4"), 2, "no sound file at"),
        (("generate", "nobody.png", "nothing.wav", "-o", "film.mkv"), 2, "must end in .mp4"),
        (("generate", "a.png", "b.wav", "-o", "c.mp4", "--steps", "0"), 2, "--steps"),
        (("generate", "a.png", "b.wav"), 2, "--output"),
        (("bench", "model", "--preset", "nowhere.yaml"), 2, "nowhere.yaml"),
        (("bench", "live", "--url", "http://127.0.0.1:9"), 1, "cannot be reached"),
        (("serve", "--config", "nowhere.yaml"), 2, "nowhere.yaml"),
        (("sing",), 2, "No such command"),
    ],
)
def test_a_mistake_is_answered_by_a_sentence_and_a_code(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    arguments: tuple[str, ...],
    code: int,
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, *arguments) == code
    said = capsys.readouterr().err
    assert words in said
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("--motion", "-0.1", "greater than or equal to 0"),
        ("--motion", "1.1", "less than or equal to 1"),
        ("--head-speed", "0.4", "greater than or equal to 0.5"),
        ("--head-speed", "2.1", "less than or equal to 2"),
        ("--expression", "0.4", "greater than or equal to 0.5"),
        ("--expression", "1.6", "less than or equal to 1.5"),
        ("--expression", "nan", "equal to 1.5"),
        ("--blinks", "-1", "greater than or equal to 0"),
        ("--blinks", "41", "less than or equal to 40"),
        ("--blinks", "often", "integer"),
    ],
)
def test_a_value_out_of_range_is_told_the_range(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    asked: list[FilmRequest],
    name: str,
    value: str,
    words: str,
) -> None:
    assert run(monkeypatch, "generate", "a.png", "b.wav", "-o", "c.mp4", name, value) == 2
    said = capsys.readouterr().err
    assert f"Invalid value for '{name}'" in said
    assert words in said
    assert asked == []


def test_altered_weights_are_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    portrait: Path,
    make_sound: MakeSound,
    tmp_path: Path,
) -> None:
    def refuse(path: Path | None, *, threads: int) -> TinyModel:
        raise CheckpointError("weights.safetensors is altered: reinstall emolive to restore it")

    factory = ModuleType("realtime_model.factory")
    factory.build_model = refuse  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "realtime_model.factory", factory)
    output = tmp_path / "film.mp4"
    assert run(monkeypatch, "generate", portrait, make_sound(), "-o", output) == 1
    assert "weights.safetensors is altered" in capsys.readouterr().err
    assert not output.exists()


def test_interruption_ends_with_130_and_writes_nothing(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    model_module: TinyModel,
    portrait: Path,
    make_sound: MakeSound,
    tmp_path: Path,
) -> None:
    model_module.fail_at = 2
    output = tmp_path / "film.mp4"
    audio = make_sound(samples=48_000)
    assert run(monkeypatch, "generate", portrait, audio, "-o", output) == 130
    assert "nothing was written" in capsys.readouterr().err
    assert not output.exists()


def test_options_reach_the_film(monkeypatch: pytest.MonkeyPatch, asked: list[FilmRequest]) -> None:
    look = ("--motion", 0.5, "--head-speed", 2, "--expression", 1.4, "--blinks", 0)
    options = ("--steps", 4, "--seed", 9, *look, "--overwrite")
    run(monkeypatch, "generate", "a.png", "b.wav", "-o", "c.mp4", *options)
    (request,) = asked
    assert request.options == StreamOptions(
        seed=9, steps=4, motion=0.5, head_speed=2, expression=1.4, blinks=0.0
    )
    assert request.overwrite


def test_a_film_without_options_takes_the_models_own(
    monkeypatch: pytest.MonkeyPatch, asked: list[FilmRequest]
) -> None:
    run(monkeypatch, "generate", "a.png", "b.wav", "-o", "c.mp4")
    (request,) = asked
    assert request.options == StreamOptions()
    assert not request.overwrite


def test_defects_keep_their_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    import emolive.doctor as module

    def fail(port: int) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(module, "examine", fail)
    monkeypatch.setattr(sys, "argv", ["emolive", "doctor"])
    with pytest.raises(ZeroDivisionError):
        main()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InputError("a"), 2),
        (WorkError("a"), 1),
        (PortraitError("no_face", "No face.", "Use another."), 2),
        (CheckpointError("a"), 1),
    ],
)
def test_exit_codes_tell_bad_input_from_failed_work(error: Exception, code: int) -> None:
    assert exit_code(error) == code


def test_stages_are_commands(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "train", "--help") == 0
    shown = capsys.readouterr().out
    assert all(stage in shown for stage in STAGES)


def test_bench_model_prints_json(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    model_module: TinyModel,
    portrait: Path,
    make_sound: MakeSound,
) -> None:
    import emolive.bench_model as module

    monkeypatch.setattr(module, "load_portrait", lambda path: None)
    monkeypatch.setattr(module, "demo_portrait", lambda: portrait)
    monkeypatch.setattr(module, "RECORDING", make_sound(samples=80_000))
    assert run(monkeypatch, "bench", "model", "--seconds", 3, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["schema"] == 1
    assert report["report"] == "bench model"
    assert report["chunks"] == 19
    assert report["audio_s"] == pytest.approx(3.04)
    assert set(report["realtime_factor"]) == {"p50", "p95", "p99"}
    assert 0 < report["realtime_factor"]["p50"] <= report["realtime_factor"]["p99"]
    assert set(report["frame_ms_by_stage"]) == {"render", "to_yuv"}
    assert report["machine"]["cores"] >= 1
    assert report["peak_memory_mib"] > 10

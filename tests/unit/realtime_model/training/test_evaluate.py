"""``emolive evaluate`` from end to end, on one portrait, one clip and a tiny network."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer import Typer
from typer.testing import CliRunner

from realtime_model.checkpoint import save_network
from realtime_model.contract import RgbImage
from realtime_model.network import EmoNetwork
from realtime_model.training.evaluate import main
from realtime_model.training.rendering import Clip

app = Typer()
app.command()(main)


@pytest.fixture
def runs(tmp_path: Path, astronaut: RgbImage, clips: list[Clip]) -> Path:
    """A held-out corpus of one portrait and one clip of three seconds."""
    portraits, speech = tmp_path / "portraits", tmp_path / "corpus" / "speech"
    portraits.mkdir()
    speech.mkdir(parents=True)
    Image.fromarray(astronaut).save(portraits / "eileen.png")
    row = {"name": "eileen", "file": "eileen.png", "split": "heldout", "style": "photo"}
    (portraits / "manifest.json").write_text(json.dumps({"portraits": [row]}))
    np.savez(
        speech / "noise-0.npz",
        audio=np.tile(clips[0].audio, 3),
        curves=np.tile(clips[0].mouth, (3, 1)).astype(np.float16),
        language="en-us",
        split="heldout",
        phones=json.dumps([["b", 0.0, 0.2], ["a", 0.2, 0.6], ["sil", 0.6, 3.36]]),
    )
    return tmp_path


def evaluate(runs: Path, *options: str) -> tuple[int, str]:
    """Exit code and what was printed."""
    asked = ["--runs", str(runs), "--no-identity", "--drift-minutes", "0.01", *options]
    result = CliRunner().invoke(app, asked)
    return result.exit_code, result.output


def test_a_preset_is_judged_and_reported(runs: Path, network: EmoNetwork) -> None:
    preset, out = runs / "tiny.yaml", runs / "out"
    save_network(network, preset)
    code, said = evaluate(runs, "--preset", str(preset), "--out", str(out))
    assert code == 0, said
    assert "lips_worst" in said
    body = json.loads((out / "report.json").read_text())
    assert [(c["portrait"], c["clip"]) for c in body["clips"]] == [("eileen", "noise-0")]
    assert body["clips"][0]["seconds"] == pytest.approx(84 / 25 + 1)
    assert body["about"].startswith("tiny (")
    assert body["summary"]["rig_lips"] > 0.8
    assert body["drift"]["portrait"] == "eileen"
    assert body["drift"]["first"]["identity"] is None
    assert "noise-0" in (out / "report.html").read_text()


def test_no_corpus_is_one_sentence(tmp_path: Path) -> None:
    code, said = evaluate(tmp_path / "none", "--out", str(tmp_path / "out"))
    assert code == 1
    assert said.startswith("error: no corpus in ")
    assert said.count("\n") == 1


def test_a_folder_that_cannot_be_written_is_one_sentence(runs: Path) -> None:
    (runs / "file").write_text("")
    code, said = evaluate(runs, "--out", str(runs / "file"))
    assert code == 1
    assert "cannot be written to" in said
    assert said.count("\n") == 1


def test_a_missing_preset_is_one_sentence(runs: Path) -> None:
    code, said = evaluate(runs, "--preset", str(runs / "none.yaml"), "--out", str(runs / "out"))
    assert code == 1
    assert said.startswith("error: ")
    assert "Traceback" not in said

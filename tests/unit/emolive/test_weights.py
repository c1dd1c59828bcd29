"""The commands below ``emolive weights``: what they write, and how they say no."""

import json
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from emolive.cli import main
from realtime_model.pretrained.kinds import KINDS
from realtime_model.pretrained.networks import builder
from realtime_model.pretrained.store import WeightStore

SMALL = {
    "encoder_block_out_channels": [8, 8, 8, 8],
    "decoder_block_out_channels": [8, 8, 8, 8],
    "num_encoder_blocks": [1, 1, 1, 1],
    "num_decoder_blocks": [1, 1, 1, 1],
}


@pytest.fixture
def download(tmp_path: Path) -> Path:
    """A folder with a small TAESD, as the hub has it."""
    folder = tmp_path / "download"
    folder.mkdir()
    state = builder("taesd", SMALL)[1]().state_dict()
    save_file(state, folder / "diffusion_pytorch_model.safetensors")
    (folder / "config.json").write_text(json.dumps(SMALL))
    return folder


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "run"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["emolive", "weights", *map(str, arguments)])
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as end:
        main()
    assert isinstance(end.value.code, int)
    return end.value.code


def test_a_folder_is_converted_and_listed(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    download: Path,
    elsewhere: Path,
) -> None:
    assert run(monkeypatch, "add", "taesd", download) == 0
    said = capsys.readouterr().err
    assert "licence: MIT (https://huggingface.co/madebyollin/taesd)" in said
    assert "emo-sd15: needs hallo, wav2vec2, kl-vae\n" in said
    assert WeightStore(elsewhere / "var" / "weights").load("taesd")[0]
    assert run(monkeypatch, "list") == 0
    shown = capsys.readouterr().out
    assert all(kind in shown for kind in KINDS)
    assert "CreativeML OpenRAIL-M" in shown
    assert "not known" in shown
    assert "emo-sd15: needs hallo, wav2vec2, kl-vae\n" in shown


def test_an_empty_folder_lists_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], elsewhere: Path
) -> None:
    assert run(monkeypatch, "list") == 0
    shown = capsys.readouterr().out
    assert "emo-sd15: needs hallo, wav2vec2, kl-vae; faster with taesd" in shown
    assert list(elsewhere.iterdir()) == []


def test_weights_are_replaced_only_when_asked(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    download: Path,
    tmp_path: Path,
) -> None:
    place = ("--folder", tmp_path / "kept")
    assert run(monkeypatch, "add", "taesd", download, *place) == 0
    before = WeightStore(tmp_path / "kept").about("taesd").sha256
    torch.manual_seed(7)
    state = builder("taesd", SMALL)[1]().state_dict()
    save_file(state, download / "diffusion_pytorch_model.safetensors")
    assert run(monkeypatch, "add", "taesd", download, *place) == 2
    assert "Use --overwrite." in capsys.readouterr().err
    assert WeightStore(tmp_path / "kept").about("taesd").sha256 == before
    assert run(monkeypatch, "add", "taesd", download, *place, "--overwrite") == 0
    assert WeightStore(tmp_path / "kept").about("taesd").sha256 != before


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("add", "taesd", "nowhere.safetensors"), 2, "There is no file or folder nowhere"),
        (("add", "taesd", "a/b/c"), 2, "hub names look like owner/name"),
        (("add", "nothing", "."), 2, "'nothing' is not one of"),
        (("add", "echomimic", "."), 1, "holds none of reference_unet.pth: put one of them there\n"),
        (("add", "taesd", "."), 1, "holds none of diffusion_pytorch_model.safetensors"),
        (("add", "taesd", ".", "--revision", "v1"), 2, "--revision is for the hub"),
    ],
)
def test_bad_input_ends_with_a_sentence_and_a_code(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    elsewhere: Path,
    arguments: tuple[str, ...],
    code: int,
    words: str,
) -> None:
    assert run(monkeypatch, *arguments) == code
    said = capsys.readouterr().err
    assert words in said
    assert "Traceback" not in said
    assert list(elsewhere.iterdir()) == []

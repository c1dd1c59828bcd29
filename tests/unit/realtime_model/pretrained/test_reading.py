"""Tensors come out of files; code does not."""

import pickle
import warnings
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from realtime_model.errors import CheckpointError
from realtime_model.pretrained.reading import find_parts, read_checkpoint, read_tensors

STATE = {"a.weight": torch.arange(300.0), "b.bias": torch.ones(2, 3).half()}


class Payload:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("name", ["a.safetensors", "a.pt", "a.bin", "a.ckpt"])
def test_tensors_come_back_as_they_were(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    save_file(STATE, path) if path.suffix == ".safetensors" else torch.save(STATE, path)
    read = read_tensors(path)
    assert read.keys() == STATE.keys()
    assert all(torch.equal(read[key], value) for key, value in STATE.items())


@pytest.mark.parametrize("wrapper", ["state_dict", "model_state_dict", "model"])
def test_the_usual_wrappers_are_opened(wrapper: str, tmp_path: Path) -> None:
    torch.save({wrapper: STATE, "epoch": 3, "dims": {"n_mels": 80}}, tmp_path / "a.pt")
    assert read_tensors(tmp_path / "a.pt").keys() == STATE.keys()


@pytest.mark.parametrize("place", ["alone", "in the state", "beside the state"])
def test_code_in_a_pickle_is_refused_and_not_run(place: str, tmp_path: Path) -> None:
    victim, path = tmp_path / "owned", tmp_path / "evil.pt"
    payload = Payload(victim)
    bodies = {
        "alone": payload,
        "in the state": STATE | {"x": payload},
        "beside the state": {"state_dict": STATE, "x": payload},
    }
    torch.save(bodies[place], path)
    with pytest.raises(CheckpointError, match=r"evil\.pt holds more than tensors.*was not run"):
        read_tensors(path)
    assert not victim.exists()
    torch.load(path, weights_only=False)  # the payload is a real one
    assert victim.exists()


def test_a_bare_pickle_is_not_even_opened(tmp_path: Path) -> None:
    victim, path = tmp_path / "owned", tmp_path / "evil.bin"
    path.write_bytes(pickle.dumps(Payload(victim)))
    with pytest.raises(CheckpointError, match=r"neither a \.safetensors file nor a zip"):
        read_tensors(path)
    assert not victim.exists()


def test_a_pickle_called_safetensors_is_refused(tmp_path: Path) -> None:
    torch.save(STATE, tmp_path / "a.safetensors")
    with pytest.raises(CheckpointError, match="cut off or no safetensors file"):
        read_tensors(tmp_path / "a.safetensors")


@pytest.mark.parametrize("name", ["a.safetensors", "a.pt"])
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.99])
def test_a_file_that_is_cut_off_is_named(name: str, kept: float, tmp_path: Path) -> None:
    path = tmp_path / name
    save_file(STATE, path) if path.suffix == ".safetensors" else torch.save(STATE, path)
    raw = path.read_bytes()
    path.write_bytes(raw[: int(kept * len(raw))])
    with pytest.raises(CheckpointError, match=rf"{name} is cut off.*Download it again"):
        read_tensors(path)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ([torch.zeros(1)], "holds a list"),
        ({"a": torch.zeros(1), "lr": 0.1}, "'lr' is a float"),
        ({3: torch.zeros(1)}, "3 is a Tensor"),
        ({"a": torch.eye(2).to_sparse()}, "'a' is a sparse tensor"),
        (torch.nn.Linear(1, 1), "holds more than tensors"),
    ],
)
def test_anything_but_named_dense_tensors_is_refused(
    body: object, words: str, tmp_path: Path
) -> None:
    torch.save(body, tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match=words):
        read_tensors(tmp_path / "a.pt")


def test_a_program_of_torchscript_is_refused(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(torch.nn.Linear(1, 1)), tmp_path / "a.pt")
        with pytest.raises(CheckpointError, match=r"a\.pt"):
            read_tensors(tmp_path / "a.pt")


def test_a_folder_is_searched_for_the_best_name(tmp_path: Path) -> None:
    parts = {"": ("unet/best.safetensors", "unet/other.bin")}
    with pytest.raises(CheckpointError, match=r"holds none of unet/best\.safetensors"):
        find_parts(tmp_path, parts)
    (tmp_path / "other.bin").touch()
    assert find_parts(tmp_path, parts)[""].name == "other.bin"
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "best.safetensors").touch()
    assert find_parts(tmp_path, parts)[""] == tmp_path / "unet" / "best.safetensors"


def test_parts_of_one_kind_keep_their_names_apart(tmp_path: Path) -> None:
    parts = {"reference": ("reference.pth",), "motion": ("motion.pth",)}
    torch.save(STATE, tmp_path / "reference.pth")
    with pytest.raises(CheckpointError, match=r"motion\.pth"):
        read_checkpoint(tmp_path, parts)
    with pytest.raises(CheckpointError, match="is one file, but this kind has 2"):
        read_checkpoint(tmp_path / "reference.pth", parts)
    torch.save(STATE, tmp_path / "motion.pth")
    read = read_checkpoint(tmp_path, parts)
    assert set(read.tensors) == {f"{part}.{key}" for part in parts for key in STATE}


def test_the_configuration_beside_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file(STATE, path)
    assert read_checkpoint(path, {"": ()}).config is None
    (tmp_path / "config.json").write_text('{"layers": 3}')
    assert read_checkpoint(path, {"": ()}).config == {"layers": 3}
    for text in ("[1]", "{", "\x80"):
        (tmp_path / "config.json").write_text(text, encoding="latin-1")
        with pytest.raises(CheckpointError, match=r"config\.json"):
            read_checkpoint(path, {"": ()})


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="nowhere does not exist"):
        find_parts(tmp_path / "nowhere", {"": ("a",)})
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_tensors(tmp_path / "nowhere.pt")

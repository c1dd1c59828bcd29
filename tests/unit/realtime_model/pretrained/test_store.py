"""Converted weights are whole or not there, and verified when they are loaded."""

import json
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from torch import Tensor

from realtime_model.errors import CheckpointError
from realtime_model.pretrained.kinds import KINDS, NEEDS
from realtime_model.pretrained.reading import read_tensors
from realtime_model.pretrained.store import About, Origin, WeightStore
from realtime_model.pretrained.writing import require_space, write_tensors
from tests.unit.realtime_model.pretrained.conftest import SMALL, small_network

Published = Callable[[str], dict[str, Tensor]]


def quiet(done: int, total: int) -> None:
    assert 0 < done <= total


@pytest.fixture
def download(tmp_path: Path, published: Published) -> Callable[[str], Path]:
    """Return a function that puts a published file and its configuration into a folder."""

    def make(kind: str) -> Path:
        folder = tmp_path / "downloads" / kind
        folder.mkdir(parents=True)
        vae = kind in ("kl-vae", "taesd")
        name = "diffusion_pytorch_model.safetensors" if vae else "model.safetensors"
        save_file(published(kind), folder / name)
        (folder / "config.json").write_text(json.dumps(SMALL[kind]))
        return folder

    return make


@pytest.fixture
def store(tmp_path: Path) -> WeightStore:
    return WeightStore(tmp_path / "weights")


@pytest.fixture
def added(store: WeightStore, download: Callable[[str], Path]) -> Path:
    """The folder of a small TAESD in the store."""
    store.add("taesd", download("taesd"), Origin("madebyollin/taesd", "abc"), quiet)
    return store.folder / "taesd"


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.parametrize("kind", SMALL)
def test_every_kind_comes_back_as_a_network(
    kind: str, store: WeightStore, download: Callable[[str], Path]
) -> None:
    about = store.add(kind, download(kind), Origin("a/b"), quiet)
    network, wanted = store.network(kind), small_network(kind).state_dict()
    assert not network.training
    assert not any(weight.requires_grad for weight in network.parameters())
    state = network.state_dict()
    assert state.keys() == wanted.keys()
    assert all(torch.equal(state[key], wanted[key]) for key in wanted)
    assert about.tensors == len(wanted)
    assert store.there() == {kind: about}


def test_half_precision_is_kept_on_disk_and_runs_in_full(
    store: WeightStore, download: Callable[[str], Path]
) -> None:
    folder = download("whisper-tiny")
    path = folder / "model.safetensors"
    save_file({key: value.half() for key, value in load_file(path).items()}, path)
    store.add("whisper-tiny", folder, Origin("a/b"), quiet)
    assert {value.dtype for value in store.load("whisper-tiny")[0].values()} == {torch.float16}
    weights = store.network("whisper-tiny").parameters()
    assert {weight.dtype for weight in weights} == {torch.float32}


def test_the_licence_lies_beside_the_weights(added: Path) -> None:
    assert sorted(contents(added)) == ["LICENCE.txt", "about.yaml", "weights.safetensors"]
    about = About(**yaml.safe_load((added / "about.yaml").read_text()))
    assert (about.source, about.revision) == ("madebyollin/taesd", "abc")
    assert about.licence.startswith("MIT (https://")
    text = (added / "LICENCE.txt").read_text()
    assert "converted from madebyollin/taesd abc." in text
    assert "publisher states: MIT." in text


def test_what_is_unknown_of_a_licence_is_said() -> None:
    assert "not known" in str(KINDS["hallo"].licence)
    assert all(kind.licence.page.startswith("https://") for kind in KINDS.values())


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_the_library_reads_what_is_written(dtype: torch.dtype, tmp_path: Path) -> None:
    state = {"b": torch.randn(3, 5).to(dtype).T, "a": torch.randn(()).to(dtype)}
    seen: list[tuple[int, int]] = []
    write_tensors(tmp_path / "a.safetensors", state, lambda *figures: seen.append(figures))
    read = load_file(tmp_path / "a.safetensors")
    assert all(torch.equal(read[key], value) for key, value in state.items())
    assert read["b"].dtype == dtype
    assert seen[-1] == (16 * state["a"].element_size(),) * 2
    assert read.keys() == read_tensors(tmp_path / "a.safetensors").keys()
    header = int.from_bytes((tmp_path / "a.safetensors").read_bytes()[:8], "little")
    assert header % 8 == 0  # so that mapped values lie where a processor likes them


def test_one_altered_bit_is_noticed(store: WeightStore, added: Path) -> None:
    weights = added / "weights.safetensors"
    raw = bytearray(weights.read_bytes())
    raw[-1] ^= 1
    weights.write_bytes(raw)
    with pytest.raises(CheckpointError, match=r"is altered.*weights add taesd madebyollin/taesd"):
        store.load("taesd")


def test_weights_that_are_not_there_are_named(store: WeightStore, added: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no weights kl-vae.*weights add kl-vae stabilityai"):
        store.load("kl-vae")
    (added / "weights.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"weights\.safetensors cannot be read"):
        store.load("taesd")


@pytest.mark.parametrize("text", ["{", "[1]", "kind: taesd", "\x80"])
def test_an_altered_description_is_refused(text: str, store: WeightStore, added: Path) -> None:
    (added / "about.yaml").write_text(text, encoding="latin-1")
    with pytest.raises(CheckpointError, match=r"about\.yaml is"):
        store.load("taesd")
    with pytest.raises(CheckpointError, match=r"about\.yaml is"):
        store.there()


@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError])
def test_an_interrupted_conversion_leaves_nothing(
    stop: type[BaseException], store: WeightStore, download: Callable[[str], Path]
) -> None:
    def interrupt(done: int, total: int) -> None:
        assert any(store.folder.rglob("*.safetensors"))
        if done > total // 2:
            raise stop

    with pytest.raises((KeyboardInterrupt, CheckpointError)):
        store.add("taesd", download("taesd"), Origin("a/b"), interrupt)
    assert list(store.folder.iterdir()) == []
    assert store.there() == {}


def test_an_interrupted_conversion_leaves_the_old_weights(
    store: WeightStore, added: Path, tmp_path: Path
) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    before = contents(store.folder)
    with pytest.raises(KeyboardInterrupt):
        store.add("taesd", tmp_path / "downloads" / "taesd", Origin("a/b"), interrupt)
    assert contents(store.folder) == before
    store.load("taesd")


def test_remains_of_a_killed_conversion_are_cleared(
    store: WeightStore, added: Path, tmp_path: Path
) -> None:
    part = added.with_name(".taesd.part")
    shutil.copytree(added, part)
    (part / "weights.safetensors").write_bytes(b"half")
    assert store.there().keys() == {"taesd"}
    store.add("taesd", tmp_path / "downloads" / "taesd", Origin("c/d"), quiet)
    assert [path.name for path in store.folder.iterdir()] == ["taesd"]
    assert store.about("taesd").source == "c/d"


def test_a_disk_that_fills_up_leaves_nothing(
    store: WeightStore,
    download: Callable[[str], Path],
    full_disk: AbstractContextManager[None],
) -> None:
    source = download("taesd")
    with full_disk, pytest.raises(CheckpointError, match=r"cannot be written.*free some space"):
        store.add("taesd", source, Origin("a/b"), quiet)
    assert list(store.folder.iterdir()) == []


def test_too_little_space_is_noticed_before_writing(tmp_path: Path) -> None:
    require_space(tmp_path, 1)
    with pytest.raises(CheckpointError, match=r"needs 1000000\.00 GB and its disk has .* GB left"):
        require_space(tmp_path, 10**15)


def test_a_bad_download_does_not_even_make_the_folder(store: WeightStore, tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "diffusion_pytorch_model.safetensors")
    with pytest.raises(CheckpointError, match="another model"):
        store.add("taesd", tmp_path, Origin("a/b"), quiet)
    assert not store.folder.exists()


def test_presets_say_what_they_lack() -> None:
    needs = NEEDS["emo-sd15"]
    assert needs.missing(frozenset()) == needs.required
    assert needs.missing(frozenset({"hallo", "kl-vae", "taesd"})) == ("wav2vec2",)
    assert needs.missing(frozenset(needs.required)) == ()
    named = {kind for need in NEEDS.values() for kind in (*need.required, *need.useful)}
    assert named <= KINDS.keys()

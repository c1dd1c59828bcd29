"""Weights fetched from a hub: a real HTTP server on this machine that speaks its protocol."""

import hashlib
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import yaml
from huggingface_hub import constants
from safetensors.torch import save

from emolive import hub
from emolive.cli import main
from emolive.errors import InputError, WorkError
from realtime_model.pretrained.networks import builder

COMMIT = "0123456789abcdef0123456789abcdef01234567"
PARTS = {"": ("best.safetensors", "other.bin")}


class Hub:
    """Repositories by name; files by their path."""

    def __init__(self) -> None:
        self.files: dict[str, dict[str, bytes]] = {}
        self.refused: dict[str, tuple[int, str]] = {}
        self.asked: list[str] = []
        self.most_bytes: int | None = None
        handler = type("Handler", (_Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = Thread(target=self._server.serve_forever)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _answer(self, *, body: bool) -> None:
        _, owner, name, _, revision, *path = self.path.split("/")
        self.hub.asked.append(self.path)
        repository = f"{owner}/{name}"
        file = self.hub.files.get(repository, {}).get("/".join(path))
        if repository in self.hub.refused:
            self._refuse(*self.hub.refused[repository])
        elif revision not in ("main", COMMIT):
            self._refuse(404, "RevisionNotFound")
        elif file is None:
            known = repository in self.hub.files
            self._refuse(404, "EntryNotFound" if known else "RepoNotFound")
        else:
            self.send_response(200)
            self.send_header("ETag", f'"{hashlib.sha256(file).hexdigest()}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("Content-Length", str(len(file)))
            self.end_headers()
            if body:
                self.wfile.write(file[: self.hub.most_bytes])

    def _refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    # As with HF_ENDPOINT in the environment, which the library reads at import.
    found = Hub()
    monkeypatch.setattr(constants, "ENDPOINT", found.url)
    monkeypatch.setattr(
        constants,
        "HUGGINGFACE_CO_URL_TEMPLATE",
        found.url + "/{repo_id}/resolve/{revision}/{filename}",
    )
    yield found
    found.close()


def test_the_best_file_and_its_configuration_are_fetched(served: Hub) -> None:
    served.files["a/b"] = {"other.bin": b"old", "config.json": b"{}", "readme.md": b"more"}
    fetched = hub.fetch("a/b", PARTS)
    assert fetched.revision == COMMIT
    assert sorted(path.name for path in fetched.folder.iterdir()) == ["config.json", "other.bin"]
    served.files["a/b"]["best.safetensors"] = b"new"
    fetched = hub.fetch("a/b", PARTS, revision=COMMIT)
    assert (fetched.folder / "best.safetensors").read_bytes() == b"new"
    assert any(f"/{COMMIT}/" in path for path in served.asked)


def test_files_below_folders_are_fetched_with_their_configuration(served: Hub) -> None:
    served.files["a/b"] = {"unet/x.bin": b"unet", "unet/config.json": b"{}", "y.pth": b"more"}
    fetched = hub.fetch("a/b", {"unet": ("unet/x.bin",), "motion": ("y.pth",)})
    assert (fetched.folder / "unet" / "x.bin").read_bytes() == b"unet"
    assert (fetched.folder / "unet" / "config.json").read_bytes() == b"{}"
    assert (fetched.folder / "y.pth").read_bytes() == b"more"


def test_what_the_hub_does_not_have_is_named(served: Hub) -> None:
    served.files["a/b"] = {"readme.md": b""}
    with pytest.raises(InputError, match=r"a/b has none of best\.safetensors, other\.bin"):
        hub.fetch("a/b", PARTS)
    with pytest.raises(InputError, match="has no revision nowhere"):
        hub.fetch("a/b", PARTS, revision="nowhere")
    with pytest.raises(InputError, match="shows no repository c/d"):
        hub.fetch("c/d", PARTS)
    with pytest.raises(InputError, match="no name of a repository"):
        hub.fetch("c/d--e..f", PARTS)


def test_a_gated_repository_says_what_to_download_by_hand(served: Hub) -> None:
    served.refused["a/b"] = (403, "GatedRepo")
    with pytest.raises(WorkError, match=r"accept its terms.*Download best\.safetensors from https"):
        hub.fetch("a/b", PARTS)


def test_a_refusal_says_what_to_download_by_hand(served: Hub) -> None:
    served.refused["a/b"] = (451, "")
    with pytest.raises(WorkError, match=r"Download best\.safetensors from https://huggingface"):
        hub.fetch("a/b", PARTS)


def test_a_connection_that_breaks_says_what_to_download_by_hand(served: Hub) -> None:
    served.files["a/b"] = {"best.safetensors": bytes(100_000)}
    served.most_bytes = 50_000
    with pytest.raises(WorkError, match=r"Download best\.safetensors from https://huggingface"):
        hub.fetch("a/b", PARTS)


def test_without_a_connection_it_says_what_to_download_by_hand(
    served: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(WorkError, match=r"cannot be reached\. Download best\.safetensors"):
        hub.fetch("a/b", PARTS, revision=COMMIT)


def test_weights_go_from_the_hub_into_the_folder(
    served: Hub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    state = builder("taesd", None)[1]().state_dict()
    served.files["madebyollin/taesd"] = {"diffusion_pytorch_model.safetensors": save(state)}
    arguments = ["weights", "add", "taesd", "madebyollin/taesd", "--folder", str(tmp_path / "w")]
    monkeypatch.setattr(sys, "argv", ["emolive", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 0
    said = capsys.readouterr().err
    assert "taesd: 134 tensors, 9.8 MB" in said
    assert "licence: MIT" in said
    about = yaml.safe_load((tmp_path / "w" / "taesd" / "about.yaml").read_text())
    assert (about["source"], about["revision"]) == ("madebyollin/taesd", COMMIT)

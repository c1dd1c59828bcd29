"""Recorded people: what is said where their recordings are not installed."""

import gzip
from pathlib import Path

import pytest

from realtime_model.training.speech import prompts
from realtime_model.training.speech.packages import PackageError


@pytest.mark.parametrize("files", [(), ("hello.gsm",)], ids=["nothing", "another sampling rate"])
def test_recordings_that_are_not_installed_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: tuple[str, ...]
) -> None:
    listing = tmp_path / "asterisk-core-sounds-it" / "core-sounds-it.txt.gz"
    listing.parent.mkdir()
    listing.write_bytes(gzip.compress(b"hello: Ciao\n"))
    for name in files:
        path = tmp_path / "it_IT_m_Carlo" / name
        path.parent.mkdir()
        path.touch()
    monkeypatch.setattr(prompts, "_TEXTS", tmp_path)
    monkeypatch.setattr(prompts, "_SOUNDS", tmp_path)
    with pytest.raises(PackageError, match=r"apt-get install .*asterisk-core-sounds-it-g722"):
        _ = prompts.Prompts("it").texts

import socket
from pathlib import Path

import pytest

from emolive.doctor import (
    Finding,
    Verdict,
    _codecs,
    _port,
    _preset,
    _python,
    _weights,
    print_findings,
)
from tests.fakes.miniature import add_parts


def test_this_python_and_its_codecs_are_fine() -> None:
    assert _python().verdict is Verdict.OK
    assert _codecs().verdict is Verdict.OK, _codecs().found


def test_a_port_in_use_is_noticed() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        finding = _port(port)
    assert finding.verdict is Verdict.WARN
    assert f"--port {port + 1}" in finding.advice
    assert _port(port).verdict is Verdict.OK


def test_added_weights_and_what_a_preset_lacks_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "none; the default preset needs none" in _weights().found
    optional = _preset("emo-sd15")
    assert optional.verdict is Verdict.OK
    assert "emolive weights add wav2vec2 facebook/wav2vec2-base-960h" in optional.found
    assert "weights add echomimic-acc" in _preset("emo-sd15-echomimic-acc").found
    add_parts(tmp_path)
    (tmp_path / "var").mkdir()
    (tmp_path / "weights").rename(tmp_path / "var" / "weights")
    assert all(kind in _weights().found for kind in ("wav2vec2", "kl-vae", "taesd"))
    begun = _preset("emo-sd15")
    assert begun.verdict is Verdict.WARN
    assert "weights add hallo" in begun.found
    assert "weights add wav2vec2" not in begun.found


def test_one_failure_is_enough(capsys: pytest.CaptureFixture[str]) -> None:
    fine = Finding("Python", Verdict.OK, "3.11")
    broken = Finding("model", Verdict.FAIL, "weights are altered", "Reinstall.")
    assert print_findings([fine])
    assert not print_findings([fine, broken])
    assert "weights are altered" in capsys.readouterr().out

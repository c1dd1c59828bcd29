import socket

import pytest

from emolive.doctor import Finding, Verdict, _codecs, _port, _python, print_findings


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


def test_one_failure_is_enough(capsys: pytest.CaptureFixture[str]) -> None:
    fine = Finding("Python", Verdict.OK, "3.11")
    broken = Finding("model", Verdict.FAIL, "weights are altered", "Reinstall.")
    assert print_findings([fine])
    assert not print_findings([fine, broken])
    assert "weights are altered" in capsys.readouterr().out

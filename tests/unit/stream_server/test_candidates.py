import pytest

from stream_server.rtc.candidates import CandidatePolicy


@pytest.mark.parametrize("host", ["192.0.2.7", "203.0.113.9", "10.1.2.3", "2001:db8::1", "fd12::1"])
def test_ordinary_addresses_are_allowed(host: str) -> None:
    assert CandidatePolicy().allows(host)


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "fe80::1",
        "224.0.0.5",
        "ff02::1",
        "0.0.0.0",
        "::",
        "255.255.255.255",
        "fd00:ec2::254",
        "::ffff:169.254.169.254",
        "3c6b1a52-0000-4000-8000-000000000000.local",
        "metadata.example",
        "",
    ],
)
@pytest.mark.parametrize("include_loopback", [False, True])
def test_dangerous_addresses_are_refused(host: str, include_loopback: bool) -> None:
    assert not CandidatePolicy(include_loopback).allows(host)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_loopback_is_a_choice(host: str) -> None:
    assert CandidatePolicy(include_loopback=True).allows(host)
    assert not CandidatePolicy().allows(host)

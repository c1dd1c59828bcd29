import pytest

from stream_server.session.admission import AddressLimiter, AdmissionLimits, RateLimitedError


def limiter(**changes: int | bool) -> AddressLimiter:
    values = {"max_sessions": 100, "max_per_address": 100, "new_per_minute": 3} | changes
    return AddressLimiter(AdmissionLimits(**values))  # type: ignore[arg-type]


def test_fourth_session_within_a_minute_waits_for_the_first_to_be_a_minute_old() -> None:
    gate = limiter()
    for now_s in (0.0, 10.0, 20.0):
        gate.take("192.0.2.1", now_s)
    with pytest.raises(RateLimitedError) as caught:
        gate.take("192.0.2.1", 30.0)
    assert caught.value.retry_after_s == 30
    gate.take("192.0.2.1", 60.0)


def test_addresses_are_counted_apart() -> None:
    gate = limiter(new_per_minute=1)
    gate.take("192.0.2.1", 0.0)
    gate.take("192.0.2.2", 0.0)
    with pytest.raises(RateLimitedError):
        gate.take("192.0.2.1", 1.0)


def test_held_sessions_are_limited_until_one_is_released() -> None:
    gate = limiter(max_per_address=1)
    gate.take("192.0.2.1", 0.0)
    with pytest.raises(RateLimitedError):
        gate.take("192.0.2.1", 100.0)
    gate.release("192.0.2.1")
    gate.take("192.0.2.1", 100.0)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_this_machine_is_spared_unless_told_otherwise(address: str) -> None:
    spared = limiter(new_per_minute=1)
    for _ in range(5):
        spared.take(address, 0.0)
    strict = limiter(new_per_minute=1, limit_loopback=True)
    strict.take(address, 0.0)
    with pytest.raises(RateLimitedError):
        strict.take("127.0.0.1", 0.0)


def test_ipv6_clients_are_counted_by_their_network() -> None:
    gate = limiter(new_per_minute=1)
    gate.take("2001:db8:1:1::1", 0.0)
    with pytest.raises(RateLimitedError):
        gate.take("2001:db8:1:1:ffff::2", 0.0)
    gate.take("2001:db8:1:2::1", 0.0)


def test_memory_is_bounded_however_many_addresses_come() -> None:
    gate = limiter()
    for number in range(20_000):
        address = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        gate.take(address, 0.0)
        gate.release(address)
    assert len(gate._started) <= 10_000
    assert not gate._held

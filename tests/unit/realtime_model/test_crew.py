"""Many threads while they are in time, one while another program holds a core."""

from collections.abc import Callable

import pytest

from realtime_model.crew import Crew

SHOWN_S = 0.16


class Machine:
    """Renders chunks in as long as it is told, by how many threads are used."""

    def __init__(self, most: int = 2) -> None:
        self.now_s = 0.0
        self.used: list[int] = []
        self.crew = Crew(most, clock=lambda: self.now_s, use=self.used.append)

    def render(self, share: Callable[[int], float], chunks: int) -> list[int]:
        """Threads of each of ``chunks``, which take ``share`` of their time."""
        threads = []
        for _ in range(chunks):
            threads.append(self.crew.threads)
            with self.crew.rendering(SHOWN_S):
                self.now_s += share(self.crew.threads) * SHOWN_S
        return threads


def free(threads: int) -> float:
    return 0.6 / threads


def crowded(threads: int) -> float:
    """Another program on the second core: threads wait for each other."""
    return 6.0 if threads > 1 else 0.65


def slow(threads: int) -> float:
    """A slow machine, on which more threads do help."""
    return 1.8 / threads


def test_threads_that_are_in_time_stay_together() -> None:
    machine = Machine()
    assert set(machine.render(free, 1_000)) == {2}
    assert machine.used == [2]


def test_one_goes_on_alone_where_threads_wait_for_each_other() -> None:
    machine = Machine()
    threads = machine.render(crowded, 2_000)
    assert threads[:2] == [2, 1]
    assert threads.count(2) < 12  # each costs a late chunk
    assert machine.used[:2] == [2, 1]


def test_they_come_together_again_when_the_core_is_free() -> None:
    machine = Machine()
    machine.render(crowded, 10)
    assert set(machine.render(free, 100)[30:]) == {2}
    # And are as quick to part as the first time.
    assert machine.render(crowded, 3)[1:] == [1, 1]


def test_a_machine_that_is_slow_alone_keeps_its_threads() -> None:
    threads = Machine().render(slow, 2_000)
    assert threads.count(1) < 12


def test_one_thread_has_nothing_to_choose() -> None:
    machine = Machine(most=1)
    assert set(machine.render(lambda _: 5.0, 50)) == {1}


def test_a_chunk_that_fails_is_not_counted() -> None:
    machine = Machine()

    def broken(threads: int) -> float:
        machine.now_s += 5
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        machine.render(broken, 1)
    assert machine.crew.threads == 2

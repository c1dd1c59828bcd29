"""Freed memory stays with the process, so that the next chunk need not fault it in again."""

import platform
import resource
import subprocess
import sys

import pytest

WORK = """
import ctypes, resource, sys
import numpy as np
ctypes.CDLL(None).prctl(41, 1, 0, 0, 0)  # PR_SET_THP_DISABLE: huge pages would hide the faults
from realtime_model.heap import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory()
def work():
    return sum(float(block[-1]) for block in [np.ones(500_000) for _ in range(4)])
for _ in range(3):
    work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    """Page faults of twenty rounds of work in a fresh process."""
    ran = subprocess.run([sys.executable, "-c", WORK, how], capture_output=True, check=True)
    return int(ran.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")
def test_pages_are_faulted_in_once() -> None:
    page = resource.getpagesize()
    once = 4 * 500_000 * 8 // page
    assert faults("kept") < once < 5 * once < faults("returned")

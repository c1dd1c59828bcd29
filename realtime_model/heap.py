"""The C library's heap: memory of one frame is kept for the next."""

import ctypes

# Parameters of mallopt, from malloc.h of the GNU C library.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
_KEPT_BYTES = 256 * 2**20
_AHEAD_BYTES = 32 * 2**20
_LARGEST_BYTES = 32 * 2**20  # what glibc accepts at most for blocks that stay on the heap


def keep_freed_memory() -> bool:
    """Let freed tensors stay with the process instead of going back to the system.

    A chunk allocates and frees tens of megabytes in blocks that glibc otherwise returns at once, so
    that each page is faulted in again for the next chunk: about a tenth of its time. What is kept
    is bounded.

    Returns:
        Whether the C library took the settings; False where it is not glibc.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    settings = (
        (_MMAP_THRESHOLD, _LARGEST_BYTES),
        (_TRIM_THRESHOLD, _KEPT_BYTES),
        (_TOP_PAD, _AHEAD_BYTES),
    )
    return all(mallopt(name, value) == 1 for name, value in settings)

"""What goes wrong on a device, in the words of `realtime_model.errors`."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from realtime_model.errors import DeviceError, MemoryShortError

# torch has no class for these two: the processor's allocator, and drivers before torch 2.8.
_NO_MEMORY = "DefaultCPUAllocator: can't allocate memory"
_DRIVER = "CUDA error"


@contextmanager
def device_errors(doing: str) -> Iterator[None]:
    """Translate what torch raises when memory or the GPU fails.

    Args:
        doing: what fails then, as "a chunk cannot be rendered".

    Raises:
        MemoryShortError: an allocation failed; what was there before is still usable.
        DeviceError: the GPU or its driver failed; the process has to be started again.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as exc:
        raise _short(doing) from exc
    except RuntimeError as exc:
        if _NO_MEMORY in str(exc):
            raise _short(doing) from exc
        if isinstance(exc, torch.AcceleratorError) or _DRIVER in str(exc):
            raise DeviceError(
                f"{doing}: the GPU or its driver failed; if it does so again, see dmesg"
            ) from exc
        raise


def _short(doing: str) -> MemoryShortError:
    return MemoryShortError(
        f"{doing}: memory is used up; end other programs, or allow fewer sessions or a smaller hop"
    )

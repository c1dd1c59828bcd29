"""What torch raises becomes a sentence and a code."""

import pytest
import torch

from realtime_model.device import device_errors
from realtime_model.errors import DeviceError, MemoryShortError, ModelError


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        MemoryError(),
    ],
)
def test_memory_that_runs_out_is_told_from_other_errors(error: Exception) -> None:
    said = "a chunk cannot be rendered: memory is used up"
    doing = "a chunk cannot be rendered"
    with pytest.raises(MemoryShortError, match=said), device_errors(doing):
        raise error


def test_the_processors_allocator_is_understood() -> None:
    with pytest.raises(MemoryShortError), device_errors("nothing"):
        torch.empty(2**52, dtype=torch.uint8)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA error: an illegal memory access was encountered"),
        torch.AcceleratorError("device-side assert triggered", 710),
    ],
)
def test_a_failed_driver_is_a_device_error(error: Exception) -> None:
    with pytest.raises(DeviceError, match="driver failed") as caught, device_errors("nothing"):
        raise error
    assert caught.value.code == "device_failed"


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), ModelError("a sentence")])
def test_other_errors_pass(error: Exception) -> None:
    with pytest.raises(type(error), match=str(error)) as caught, device_errors("nothing"):
        raise error
    assert caught.value is error

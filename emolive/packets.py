"""Reading media files that may be damaged: what cannot be decoded is skipped and told."""

from collections.abc import Callable, Iterator
from typing import Any

from av.error import EOFError as EndOfFileError
from av.error import InvalidDataError


def decoded(
    container: Any, stream: Any, on_damage: Callable[[], object] | None = None
) -> Iterator[Any]:
    """Yield the frames of a stream of a PyAV container.

    Args:
        container: open for reading.
        stream: one of its streams.
        on_damage: called for each packet that is skipped; none is told.
    """
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
            if packet is None:
                return
            yield from packet.decode()
        except EndOfFileError:
            return
        except InvalidDataError:
            if on_damage is not None:
                on_damage()

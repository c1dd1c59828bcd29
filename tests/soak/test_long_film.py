from pathlib import Path

import numpy as np

from emolive.generate import FilmRequest, generate_film
from realtime_model.contract import StreamOptions
from tests.unit.emolive.conftest import MakeSound, TinyModel

pytest_plugins = ["tests.unit.emolive.conftest"]
_MINUTE_FRAMES = 60 * 25
# The MP4 keeps one index entry per packet until it ends: some 100 bytes, 70 times a second.
_ALLOWED_GROWTH_BYTES = 10 * 2**20


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def test_memory_does_not_grow_with_the_length_of_the_film(
    model: TinyModel, portrait: Path, make_sound: MakeSound, tmp_path: Path
) -> None:
    audio = make_sound(samples=10 * 60 * 16_000)
    seen: dict[int, int] = {}

    def watch(done: int, total: int | None) -> None:
        seen.setdefault(done // _MINUTE_FRAMES, resident_bytes())

    request = FilmRequest(portrait, audio, tmp_path / "film.mp4", StreamOptions())
    made = generate_film(request, lambda: model, watch)

    assert made.frames == 10 * _MINUTE_FRAMES
    assert seen[9] - seen[1] < _ALLOWED_GROWTH_BYTES, np.array(list(seen.values())) // 2**20

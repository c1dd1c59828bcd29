"""Curves of a clip as a small inline SVG; its colours are classes of the page, for both themes."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from realtime_model.training.judging.clip import Curves
from realtime_model.training.motion import FPS

_WIDTH, _HEIGHT, _FOOT = 960, 170, 16
_LOW, _HIGH = -0.4, 1.5  # speaking ranges that fit on the plot


def plot(curves: Curves, title: str) -> str:
    """Loudness as an area, the two openings as lines, p, b and m as bars; ``title`` is escaped."""
    seconds = len(curves.model) / FPS
    across = (_WIDTH - 1) / max(seconds, 1e-6)
    bars = "".join(
        f'<rect class="lip" x="{start * across:.1f}" y="0" '
        f'width="{max(1.5, (end - start) * across):.1f}" height="{_HEIGHT - _FOOT}"/>'
        for start, end in curves.closing_s
        if start < seconds
    )
    numbers = np.arange(len(curves.model))
    area = _points(numbers, curves.loudness * (_HIGH - _LOW) + _LOW, across)
    floor = _HEIGHT - _FOOT
    loud = f'<polygon class="loud" points="0,{floor} {area} {_WIDTH - 1},{floor}"/>'
    lines = _zero_line() + "".join(
        f'<polyline class="{name}" points="{_points(at, values, across)}"/>'
        for name, at, values in (
            ("rig", curves.rig_numbers, curves.rig),
            ("model", numbers, curves.model),
        )
    )
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img"><title>{title}</title>'
        f"{loud}{bars}{lines}{_ticks(seconds, across)}</svg>"
    )


def key(meanings: Mapping[str, str]) -> str:
    """What the colours of a plot mean: of ``model``, ``rig``, ``loud`` and ``lip``, those given."""
    entries = "".join(
        f'<span><i style="background:var(--{name})"></i>{meaning}</span>'
        for name, meaning in meanings.items()
    )
    return f'<p class="key small">{entries}</p>'


def _points(numbers: NDArray[np.int64], values: NDArray[np.float32], across: float) -> str:
    """Corners of a line: frames at their middle, speaking ranges upwards."""
    return " ".join(
        f"{(n + 0.5) / FPS * across:.1f},{_height(float(v)):.1f}"
        for n, v in zip(numbers, values, strict=True)
    )


def _height(value: float) -> float:
    """Pixels from the top; what lies outside the plot is drawn at its edge."""
    inside = min(max(value, _LOW), _HIGH)
    return (_HIGH - inside) / (_HIGH - _LOW) * (_HEIGHT - _FOOT)


def _zero_line() -> str:
    y = _height(0.0)
    return f'<line class="axis" x1="0" x2="{_WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>'


def _ticks(seconds: float, across: float) -> str:
    return "".join(
        f'<text class="tick" x="{second * across + 2:.1f}" y="{_HEIGHT - 3}">{second} s</text>'
        for second in range(int(seconds) + 1)
    )

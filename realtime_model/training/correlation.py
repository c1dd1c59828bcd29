"""How well one curve follows another: the figure every judgement of lips rests on."""

import math

import numpy as np
from numpy.typing import NDArray

_FLAT = 1e-6


def correlation(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Pearson correlation over the length both have; not-a-number when either does not move."""
    n = min(len(a), len(b))
    a, b = a[:n], b[:n]
    return math.nan if a.std() < _FLAT or b.std() < _FLAT else float(np.corrcoef(a, b)[0, 1])


def lagged_correlation(
    seen: NDArray[np.floating], truth: NDArray[np.floating], max_lag: int
) -> tuple[float, int]:
    """Best correlation within ``max_lag`` frames, and its lag; positive: ``seen`` is late."""
    best = (-1.0, 0)
    for lag in range(-max_lag, max_lag + 1):
        a, b = seen[max(0, lag) :], truth[max(0, -lag) :]
        if min(len(a), len(b)) > 10 and not math.isnan(found := correlation(a, b)):
            best = max(best, (found, lag))
    return best

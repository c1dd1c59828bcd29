"""Noise levels and the step rule: v-prediction on the cosine path, whose last level is pure noise.

x_t = alpha(t) x_0 + sigma(t) noise, v = alpha noise - sigma x_0,
alpha = cos(pi t / 2), sigma = sin(pi t / 2).
At t = 1 nothing of x_0 is left (zero terminal signal-to-noise ratio), so sampling starts where
training did.
Source: v-prediction, arXiv:2202.00512, appendix D; zero terminal SNR, arXiv:2305.08891.
"""

import math

import torch
from torch import Tensor


def alpha_sigma(level: Tensor) -> tuple[Tensor, Tensor]:
    """Signal and noise shares of levels in [0, 1], same shape."""
    angle = level * (math.pi / 2)
    return torch.cos(angle), torch.sin(angle)


def add_noise(clean: Tensor, noise: Tensor, level: Tensor) -> Tensor:
    """Return ``clean`` moved up to a noise level.

    Args:
        clean: (b, ...), unit variance.
        noise: standard normal, same shape.
        level: 0 is clean and 1 is pure noise, (b,).
    """
    alpha, sigma = alpha_sigma(_rows(level, clean))
    return alpha * clean + sigma * noise


def velocity(clean: Tensor, noise: Tensor, level: Tensor) -> Tensor:
    """Return what the network is taught to predict."""
    alpha, sigma = alpha_sigma(_rows(level, clean))
    return alpha * noise - sigma * clean


def clean_from(noisy: Tensor, v: Tensor, level: Tensor) -> Tensor:
    """Return the clean estimate a prediction implies."""
    alpha, sigma = alpha_sigma(_rows(level, noisy))
    return alpha * noisy - sigma * v


def step_down(noisy: Tensor, v: Tensor, level: Tensor, target: Tensor) -> Tensor:
    """One deterministic (DDIM) step from a level to a lower one."""
    alpha, sigma = alpha_sigma(_rows(level, noisy))
    clean, noise = alpha * noisy - sigma * v, sigma * noisy + alpha * v
    return add_noise(clean, noise, target)


def levels(steps: int, second: float) -> tuple[float, ...]:
    """Noise levels of a few-step sampler, from 1 down to 0, (steps + 1,).

    Two steps go 1, ``second``, 0; more are spread evenly below ``second`` so that the last ones
    sharpen.
    """
    if steps == 1:
        return (1.0, 0.0)
    if steps <= 4:
        return (1.0, *(second * (steps - 1 - i) / (steps - 1) for i in range(steps)))
    return tuple(1 - i / steps for i in range(steps + 1))


def _rows(level: Tensor, like: Tensor) -> Tensor:
    return level.reshape(-1, *([1] * (like.dim() - 1))) if level.dim() else torch.as_tensor(level)

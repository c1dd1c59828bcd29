"""Noise levels and the step rule: v-prediction on the cosine path, whose last level is pure noise.

x_t = alpha(t) x_0 + sigma(t) noise, v = alpha noise - sigma x_0,
alpha = cos(pi t / 2), sigma = sin(pi t / 2).
At t = 1 nothing of x_0 is left (zero terminal signal-to-noise ratio), so sampling starts where
training did.
Source: v-prediction, arXiv:2202.00512, appendix D; zero terminal SNR, arXiv:2305.08891.

Networks of Stable Diffusion's kind count 1,000 timesteps instead. Each has a signal and a noise
share too, so each is a level on this path (`timestep_levels`), and one step rule serves both.
"""

import math
from collections.abc import Callable
from functools import cache
from itertools import pairwise

import torch
from torch import Tensor

from realtime_model.config import SamplerConfig

TIMESTEPS = 1000
_BETA_FIRST, _BETA_LAST = 0.00085, 0.012


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


def velocity_to(clean: Tensor, noisy: Tensor, level: Tensor) -> Tensor:
    """Return the prediction that implies a clean estimate: the inverse of `clean_from`.

    Args:
        clean: (b, ...), or what broadcasts to it.
        noisy: (b, ...).
        level: above 0, (b,).
    """
    alpha, sigma = alpha_sigma(_rows(level, noisy))
    return (alpha * noisy - clean) / sigma


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


def ladder(sampler: SamplerConfig, steps: int) -> tuple[float, ...]:
    """Noise levels of a sampler of any kind, from 1 down to 0, (steps + 1,)."""
    if sampler.path == "linear":
        return trailing_levels(steps)
    return levels(steps, sampler.second_level)


def sample_chunk(
    velocity_at: Callable[[Tensor, Tensor], Tensor],
    noise: Tensor,
    sampler: SamplerConfig,
    steps: int,
    shown: Tensor | None = None,
) -> Tensor:
    """Take the noise of a chunk down a sampler's ladder; return its new frames (b, f, c, h, w).

    Frames that were shown already, where a network denoises them once more in front of the new
    ones, take part at the same level, each from its own noise.

    Args:
        velocity_at: the network, on all n + f frames.
        noise: (b, n + f, c, h, w), cut off here where the sampler asks for it.
        sampler: of the config.
        steps: how many.
        shown: their clean latents, (b, n, c, h, w); none is n = 0.
    """
    if sampler.noise_limit:
        noise = noise.clamp(-sampler.noise_limit, sampler.noise_limit)
    if shown is not None:
        velocity_at = _after(shown, noise[:, : shown.shape[1]], velocity_at)
        noise = noise[:, shown.shape[1] :]
    return sample(velocity_at, noise, ladder(sampler, steps))


def _after(
    shown: Tensor, noise: Tensor, velocity_at: Callable[[Tensor, Tensor], Tensor]
) -> Callable[[Tensor, Tensor], Tensor]:
    """Velocities of the frames that follow ``shown`` (b, n, ...), whose noise has its shape."""

    def of_new(noisy: Tensor, level: Tensor) -> Tensor:
        whole = torch.cat([add_noise(shown, noise, level), noisy], 1)
        return velocity_at(whole, level)[:, shown.shape[1] :]

    return of_new


def sample(
    velocity_at: Callable[[Tensor, Tensor], Tensor], latent: Tensor, down: tuple[float, ...]
) -> Tensor:
    """Take noise down a ladder of levels, without randomness.

    Args:
        velocity_at: the network; noisy latents (b, ...) and their levels (b,) -> velocities.
        latent: noise, (b, ...).
        down: levels from 1 to 0.
    """
    for high, low in pairwise(down):
        now = torch.full((len(latent),), high, device=latent.device)
        v = velocity_at(latent, now)
        latent = step_down(latent, v, now, torch.full_like(now, low))
    return latent


def trailing_timesteps(steps: int) -> tuple[int, ...]:
    """Timesteps of a sampler that starts at the last one, 999, and ends 1000 / steps before 0.

    Source: "trailing" in table 2 of arXiv:2305.08891.
    """
    return tuple(round(TIMESTEPS - i * TIMESTEPS / steps) - 1 for i in range(steps))


def trailing_levels(steps: int) -> tuple[float, ...]:
    """The levels of `trailing_timesteps`, and 0 at the end, (steps + 1,)."""
    table = timestep_levels()
    return (*(float(table[t]) for t in trailing_timesteps(steps)), 0.0)


@cache
def timestep_levels() -> Tensor:
    """Noise level of each timestep, (1000,) float64, rising to exactly 1.

    Betas rise linearly from 0.00085 to 0.012; the signal is then shifted and scaled so that none
    is left at the last timestep.
    Source: arXiv:2305.08891, algorithm 1; the betas are Hallo's.
    """
    betas = torch.linspace(_BETA_FIRST, _BETA_LAST, TIMESTEPS, dtype=torch.float64, device="cpu")
    alpha = (1 - betas).cumprod(0).sqrt()
    alpha = (alpha - alpha[-1]) * (alpha[0] / (alpha[0] - alpha[-1]))
    return torch.atan2((1 - alpha**2).sqrt(), alpha) * (2 / math.pi)


def timestep_at(level: Tensor) -> Tensor:
    """The timestep nearest to each level, int64, same shape."""
    table = timestep_levels().to(level.device)
    between = (table[1:] + table[:-1]) / 2
    return torch.bucketize(level.double(), between)


def _rows(level: Tensor, like: Tensor) -> Tensor:
    return level.reshape(-1, *([1] * (like.dim() - 1))) if level.dim() else torch.as_tensor(level)

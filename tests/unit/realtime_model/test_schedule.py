"""Noise levels and steps, against their algebra and against diffusers."""

import itertools
import math

import pytest
import torch
from diffusers import DDIMScheduler

from realtime_model.config import SamplerConfig
from realtime_model.errors import ConfigError
from realtime_model.schedule import (
    add_noise,
    alpha_sigma,
    clean_from,
    ladder,
    levels,
    sample,
    step_down,
    timestep_at,
    timestep_levels,
    trailing_levels,
    trailing_timesteps,
    velocity,
)


@pytest.fixture
def pair() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(4, 2, 3, 3), torch.randn(4, 2, 3, 3)


def test_shares_keep_unit_variance_and_end_in_pure_noise() -> None:
    alpha, sigma = alpha_sigma(torch.linspace(0, 1, 11))
    assert torch.allclose(alpha**2 + sigma**2, torch.ones(11))
    assert (float(alpha[0]), float(sigma[0])) == (1, 0)
    assert abs(float(alpha[-1])) < 1e-7


def test_a_true_velocity_gives_the_clean_latent_back(
    pair: tuple[torch.Tensor, torch.Tensor],
) -> None:
    clean, noise = pair
    level = torch.tensor([0.0, 0.3, 0.8, 1.0])
    noisy = add_noise(clean, noise, level)
    assert torch.allclose(noisy[0], clean[0])
    assert torch.allclose(noisy[3], noise[3], atol=1e-6)
    v = velocity(clean, noise, level)
    assert torch.allclose(clean_from(noisy, v, level), clean, atol=1e-5)


def test_a_step_with_a_true_velocity_lands_on_the_lower_level(
    pair: tuple[torch.Tensor, torch.Tensor],
) -> None:
    clean, noise = pair
    high, low = torch.tensor([1.0, 0.9, 0.5, 0.2]), torch.tensor([0.6, 0.0, 0.4, 0.1])
    v = velocity(clean, noise, high)
    landed = step_down(add_noise(clean, noise, high), v, high, low)
    assert torch.allclose(landed, add_noise(clean, noise, low), atol=1e-5)


def test_a_single_level_serves_all_rows(pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    clean, noise = pair
    assert torch.equal(
        add_noise(clean, noise, torch.tensor(0.4)), add_noise(clean, noise, torch.full((4,), 0.4))
    )


@pytest.mark.parametrize("steps", [8, 10])
def test_sampling_equals_diffusers_trailing_ddim_with_zero_terminal_snr(steps: int) -> None:
    trained = 1000
    kept = [math.cos(math.pi / 2 * i / trained) ** 2 for i in range(trained + 1)]
    kept[-1] = 0.0
    scheduler = DDIMScheduler(
        trained_betas=[1 - b / a for a, b in itertools.pairwise(kept)],
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        clip_sample=False,
    )
    scheduler.set_timesteps(steps)
    weight = torch.randn(3, 3) * 0.3

    def model(x: torch.Tensor) -> torch.Tensor:
        return torch.tanh(x @ weight)

    theirs = ours = torch.randn(2, 3)
    for timestep in scheduler.timesteps:
        theirs = scheduler.step(model(theirs), timestep, theirs).prev_sample
    ladder = levels(steps, 0.6)
    for high, low in itertools.pairwise(ladder):
        ours = step_down(ours, model(ours), torch.full((2,), high), torch.full((2,), low))
    assert torch.allclose(ours, theirs, atol=2e-4)


@pytest.mark.parametrize("steps", range(1, 12))
def test_levels_fall_from_pure_noise_to_clean(steps: int) -> None:
    ladder = levels(steps, 0.6)
    assert len(ladder) == steps + 1
    assert (ladder[0], ladder[-1]) == (1.0, 0.0)
    assert list(ladder) == sorted(ladder, reverse=True)


def test_two_steps_visit_the_second_level() -> None:
    assert levels(2, 0.6) == (1.0, 0.6, 0.0)


def hallos_scheduler() -> DDIMScheduler:
    scheduler = DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="linear",
        clip_sample=False,
        steps_offset=1,
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
    )
    # It leaves a trace of signal, 2^-24, at the last timestep, so as not to divide by zero.
    scheduler.alphas_cumprod[-1] = 0
    return scheduler


def test_every_timestep_of_stable_diffusion_is_a_level() -> None:
    alpha, sigma = alpha_sigma(timestep_levels())
    kept = hallos_scheduler().alphas_cumprod.double()
    assert torch.allclose(alpha**2, kept, atol=2e-6)
    assert torch.allclose(sigma**2, 1 - kept, atol=2e-6)
    assert float(timestep_levels()[-1]) == 1.0
    assert bool((timestep_levels().diff() > 0).all())


def test_a_level_finds_its_timestep_back() -> None:
    found = timestep_at(timestep_levels().float())
    assert torch.equal(found, torch.arange(1000))
    assert timestep_at(torch.tensor([0.0, 1.0])).tolist() == [0, 999]


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 6, 7, 25, 30, 40])
def test_trailing_timesteps_are_those_of_diffusers(steps: int) -> None:
    scheduler = hallos_scheduler()
    scheduler.set_timesteps(steps)
    assert list(trailing_timesteps(steps)) == scheduler.timesteps.tolist()


def test_trailing_timesteps_start_where_no_signal_is_left() -> None:
    assert trailing_timesteps(1) == (999,)
    assert trailing_timesteps(4) == (999, 749, 499, 249)
    assert trailing_timesteps(6) == (999, 832, 666, 499, 332, 166)


@pytest.mark.parametrize(
    ("steps", "within"), [(1, 1e-5), (2, 1e-5), (4, 1e-5), (40, 1e-5), (6, 0.04)]
)
def test_sampling_on_timesteps_equals_diffusers_ddim(steps: int, within: float) -> None:
    # Where steps do not divide 1000, DDIMScheduler lands a timestep beside the next one it asks
    # the network about, and its last landing keeps 3 % of noise. Ours lands on it, and on clean.
    scheduler = hallos_scheduler()
    scheduler.set_timesteps(steps)
    weight = torch.randn(3, 3) * 0.3

    def model(x: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
        return torch.tanh(x @ weight) * (1 + timestep.float() / 1000)

    theirs = noise = torch.randn(2, 3)
    for timestep in scheduler.timesteps:
        theirs = scheduler.step(model(theirs, timestep), timestep, theirs).prev_sample
    down = ladder(SamplerConfig(path="linear"), steps)
    ours = sample(lambda x, level: model(x, timestep_at(level[0])), noise, down)
    assert torch.allclose(ours, theirs, atol=within)


def test_the_ladder_is_the_samplers() -> None:
    assert ladder(SamplerConfig(second_level=0.3), 2) == (1.0, 0.3, 0.0)
    assert ladder(SamplerConfig(path="linear"), 2) == trailing_levels(2)
    with pytest.raises(ConfigError, match="cosine or linear"):
        SamplerConfig(path="cubic")

"""A stream is its last frames and its noise, whatever the chunks."""

from dataclasses import replace

import pytest
import torch

from realtime_model.contract import StreamOptions
from realtime_model.state import StreamState, frame_noise

SHAPE = (4, 8, 8)


@pytest.fixture
def state() -> StreamState[str]:
    return StreamState(
        "somebody",
        torch.zeros(2, *SHAPE),
        torch.zeros(4, *SHAPE),
        steps=2,
        options=StreamOptions(seed=3),
    )


@pytest.mark.parametrize("hop", [1, 3, 5])
def test_chunking_does_not_change_the_noise(hop: int) -> None:
    whole = noise_of(7, 0, 15)
    chunks = [noise_of(7, start, hop) for start in range(0, 15, hop)]
    assert torch.equal(torch.cat(chunks), whole)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9, 1.0])
def test_noise_is_standard_normal_and_shared_by_neighbours_as_asked(share: float) -> None:
    noise = torch.stack([noise_of(seed, 0, 8, share) for seed in range(60)])
    assert float(noise.mean()) == pytest.approx(0, abs=0.02)
    assert float(noise.std()) == pytest.approx(1, abs=0.02)
    together = (noise[:, 0] * noise[:, 5]).mean()
    assert float(together) == pytest.approx(share, abs=0.03)
    still = torch.equal(noise[:, :1].expand_as(noise), noise)
    assert still is (share == 1)


def test_seeds_and_frames_have_noise_of_their_own() -> None:
    assert not torch.equal(noise_of(1, 0, 1), noise_of(2, 0, 1))
    assert not torch.equal(noise_of(1, 0, 1), noise_of(1, 1, 1))
    far = noise_of(2**62, 10**7, 1)  # hours into a stream with any seed
    assert torch.isfinite(far).all()


def test_the_newest_frames_become_motion_frames(state: StreamState[str]) -> None:
    latents = torch.arange(4.0).view(4, 1, 1, 1).expand(4, *SHAPE)
    after = state.advanced(latents, 6, 2)
    assert first_cells(after) == [2, 3]
    assert torch.equal(after.last_hop, latents)
    assert after.next_chunk == 7
    one = after.advanced(torch.full((1, *SHAPE), 9.0), 7, 2)
    assert first_cells(one) == [3, 9]
    assert first_cells(state) == [0, 0]  # a state never changes


def test_a_stream_without_a_past_gets_one(state: StreamState[str]) -> None:
    fresh = replace(state, motion_frames=None)
    latents = torch.arange(4.0).view(4, 1, 1, 1).expand(4, *SHAPE)
    assert first_cells(fresh.advanced(latents, 0, 3)) == [1, 2, 3]


def first_cells(state: StreamState[str]) -> list[float]:
    assert state.motion_frames is not None
    return [float(value) for value in state.motion_frames[:, 0, 0, 0]]


def noise_of(seed: int, first: int, frames: int, share: float = 0.9) -> torch.Tensor:
    return frame_noise(seed, first, frames, SHAPE, share=share)

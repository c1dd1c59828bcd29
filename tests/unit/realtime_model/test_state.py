"""A stream is its last frames and its noise, whatever the chunks."""

from dataclasses import replace

import pytest
import torch

from realtime_model.contract import StreamOptions
from realtime_model.network import EmoNetwork
from realtime_model.portrait import FramedPortrait
from realtime_model.state import StreamState, frame_noise

SHAPE = (4, 8, 8)


@pytest.fixture
def state(network: EmoNetwork, framed: FramedPortrait) -> StreamState:
    from realtime_model.generator import Generator

    avatar = Generator(network).prepare(framed)
    return StreamState(
        avatar,
        torch.zeros(2, *SHAPE),
        torch.zeros(4, *SHAPE),
        steps=2,
        options=StreamOptions(seed=3),
    )


@pytest.mark.parametrize("hop", [1, 3, 5])
def test_chunking_does_not_change_the_noise(hop: int) -> None:
    whole = frame_noise(7, 0, 15, SHAPE)
    chunks = [frame_noise(7, start, hop, SHAPE) for start in range(0, 15, hop)]
    assert torch.equal(torch.cat(chunks), whole)


def test_noise_is_standard_normal_and_mostly_shared_by_neighbours() -> None:
    noise = torch.stack([frame_noise(seed, 0, 8, SHAPE) for seed in range(60)])
    assert float(noise.mean()) == pytest.approx(0, abs=0.02)
    assert float(noise.std()) == pytest.approx(1, abs=0.02)
    together = (noise[:, 0] * noise[:, 5]).mean()
    assert float(together) == pytest.approx(0.9, abs=0.03)


def test_seeds_and_frames_have_noise_of_their_own() -> None:
    assert not torch.equal(frame_noise(1, 0, 1, SHAPE), frame_noise(2, 0, 1, SHAPE))
    assert not torch.equal(frame_noise(1, 0, 1, SHAPE), frame_noise(1, 1, 1, SHAPE))
    far = frame_noise(2**62, 10**7, 1, SHAPE)  # hours into a stream with any seed
    assert torch.isfinite(far).all()


def test_the_newest_frames_become_motion_frames(state: StreamState) -> None:
    latents = torch.arange(4.0).view(4, 1, 1, 1).expand(4, *SHAPE)
    after = state.advanced(latents, 6)
    assert after.motion_frames[:, 0, 0, 0].tolist() == [2, 3]
    assert torch.equal(after.last_hop, latents)
    assert after.next_chunk == 7
    one = after.advanced(torch.full((1, *SHAPE), 9.0), 7)
    assert one.motion_frames[:, 0, 0, 0].tolist() == [3, 9]
    assert state.motion_frames.abs().max() == 0  # a state never changes


def test_a_restarted_stream_is_a_new_one(state: StreamState) -> None:
    again = state.advanced(torch.ones(4, *SHAPE), 0).restarted()
    assert torch.equal(again.motion_frames, state.motion_frames)
    assert torch.equal(again.last_hop, state.last_hop)
    same = replace(again, motion_frames=state.motion_frames, last_hop=state.last_hop)
    assert same == state

"""The audio encoder is causal, and windows with enough past equal the whole recording."""

import pytest
import torch

from realtime_model.config import AudioConfig, ModelConfig
from realtime_model.features import (
    MOUTH_SHAPES,
    PAST_FRAMES,
    SHAPE_SCALE,
    AudioEncoder,
    LogMel,
    neighbours,
)
from realtime_model.geometry import WindowGeometry

FRAME = 640


@pytest.fixture
def encoder(tiny: ModelConfig) -> AudioEncoder:
    return AudioEncoder(tiny.audio).double().eval().requires_grad_(False)


@pytest.fixture
def voice() -> torch.Tensor:
    return torch.randn(1, 60 * FRAME, dtype=torch.float64) * 0.2


@pytest.mark.parametrize("frame", [0, 17, 40])
def test_later_sound_leaves_earlier_tokens_unchanged(
    frame: int, encoder: AudioEncoder, voice: torch.Tensor
) -> None:
    changed = voice.clone()
    changed[:, frame * FRAME :] = torch.randn_like(changed[:, frame * FRAME :])
    before, after = encoder(voice), encoder(changed)
    assert torch.allclose(before[:, :frame], after[:, :frame], atol=1e-12)
    assert not torch.allclose(before[:, frame], after[:, frame], atol=1e-3)


def test_the_first_token_hears_only_its_own_frame(encoder: AudioEncoder) -> None:
    sound = torch.zeros(1, 3 * FRAME, dtype=torch.float64)
    sound[:, FRAME - 1] = 1.0
    silent = encoder(torch.zeros_like(sound))
    assert not torch.allclose(encoder(sound)[:, 0], silent[:, 0])


def test_windows_with_the_declared_past_equal_the_whole(
    encoder: AudioEncoder, voice: torch.Tensor
) -> None:
    geometry = WindowGeometry()
    whole = encoder(voice)
    padded = torch.nn.functional.pad(voice, (geometry.past_samples, 0))
    for chunk in range(4, 12):
        start = chunk * geometry.hop_samples
        window = padded[:, start : start + geometry.window_samples]
        tokens = encoder(window)[:, geometry.past_frames :]
        first = chunk * geometry.hop_frames
        assert torch.allclose(tokens, whole[:, first : first + tokens.shape[1]], atol=1e-10)


def test_the_first_windows_equal_a_recording_that_follows_silence(
    encoder: AudioEncoder, voice: torch.Tensor
) -> None:
    geometry = WindowGeometry()
    padded = torch.nn.functional.pad(voice, (geometry.past_samples, 0))
    whole = encoder(torch.nn.functional.pad(voice, (40 * FRAME, 0)))[:, 40:]
    tokens = encoder(padded[:, : geometry.window_samples])[:, geometry.past_frames :]
    assert torch.allclose(tokens, whole[:, : tokens.shape[1]], atol=1e-10)


def test_the_declared_past_is_tight_to_a_frame(encoder: AudioEncoder, voice: torch.Tensor) -> None:
    frame = 50

    def token(past: int) -> torch.Tensor:
        out: torch.Tensor = encoder(voice[:, (frame - past) * FRAME : (frame + 1) * FRAME])[:, -1]
        return out

    whole = encoder(voice)[:, frame]
    assert torch.allclose(token(PAST_FRAMES), whole, atol=1e-12)
    assert not torch.allclose(token(PAST_FRAMES - 2), whole, atol=1e-12)
    geometry = WindowGeometry()
    assert geometry.past_frames == PAST_FRAMES + AudioConfig().margin_frames
    assert geometry.lookahead_frames == AudioConfig().margin_frames


def test_neighbours_are_the_frames_around_each() -> None:
    tokens = torch.arange(7.0)[None, :, None]
    around = neighbours(tokens, 2)
    assert around.shape == (1, 3, 5, 1)
    assert around[0, :, :, 0].tolist() == [[0, 1, 2, 3, 4], [1, 2, 3, 4, 5], [2, 3, 4, 5, 6]]


def test_a_frame_is_shown_its_neighbours_and_the_mouth_they_mean(encoder: AudioEncoder) -> None:
    width = encoder.out.out_channels
    tokens = torch.randn(2, 9, width, dtype=torch.float64)
    heard = encoder.around(tokens)
    assert heard.tokens.shape == (2, 5, 6, width)
    assert torch.equal(heard.tokens[:, :, :5], neighbours(tokens, 2))
    assert heard.mouth.shape == (2, 5, len(MOUTH_SHAPES))
    assert torch.equal(heard.mouth, encoder.mouth(tokens))
    assert torch.allclose(heard.tokens[:, :, 5], encoder.said(heard.mouth / SHAPE_SCALE))


def test_rows_of_what_is_heard_can_be_chosen(encoder: AudioEncoder) -> None:
    heard = encoder.around(torch.randn(3, 9, encoder.out.out_channels, dtype=torch.float64))
    assert torch.equal(heard[[2, 0]].tokens, heard.tokens[[2, 0]])
    assert torch.equal(heard[[2, 0]].mouth, heard.mouth[[2, 0]])


def test_silence_and_full_scale_stay_in_range() -> None:
    mel = LogMel(80)
    quiet = mel(torch.zeros(1, 1600))
    assert torch.allclose(quiet, torch.full_like(quiet, -1.628), atol=0.01)
    loud = mel(torch.randn(1, 1600).clamp(-1, 1))
    assert 0 < float(loud.max()) < 4


def test_every_filter_hears_its_pitch() -> None:
    bank = LogMel(80).bank
    assert bank.shape == (257, 80)
    assert (bank.amax(0) > 0).all()
    assert (bank.argmax(0).diff() >= 0).all()

"""Voices become features at 25 Hz, at the right frame, and the same from windows as from wholes."""

import pytest
import torch
from torch import Tensor
from transformers import Wav2Vec2FeatureExtractor, WhisperFeatureExtractor

from realtime_model.config import UnetConfig
from realtime_model.errors import ShapeError
from realtime_model.features import neighbours
from realtime_model.geometry import WindowGeometry
from realtime_model.pretrained.voices import (
    PAST_FRAMES,
    Wav2Vec2Voice,
    WhisperVoice,
    hear_windows,
    normalised,
)
from realtime_model.unet.conditions import AudioProjection
from realtime_model.unet.hallo import CONFIG
from tests.unit.realtime_model.pretrained.conftest import small_network

FRAME = 640
GEOMETRY = WindowGeometry(hop_frames=8, lookahead_frames=2, past_frames=PAST_FRAMES)
MARGIN = 2


@pytest.fixture(scope="module")
def wav2vec2() -> Wav2Vec2Voice:
    return Wav2Vec2Voice(small_network("wav2vec2")).eval()


@pytest.fixture(scope="module")
def whisper() -> WhisperVoice:
    return WhisperVoice(small_network("whisper-tiny")).eval()


@pytest.fixture(params=["wav2vec2", "whisper"])
def encoder(request: pytest.FixtureRequest) -> Wav2Vec2Voice | WhisperVoice:
    found: Wav2Vec2Voice | WhisperVoice = request.getfixturevalue(request.param)
    return found


def voice(frames: int) -> Tensor:
    """Syllables of noise, four a second: never silent for long, never the same."""
    time = torch.arange(frames * FRAME) / 16_000
    loud = 0.05 + 0.2 * torch.sin(2 * torch.pi * 2 * time).square()
    return loud[None] * torch.randn(1, frames * FRAME, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("frames", [2, 3, 8, 50, 210])
def test_there_is_one_entry_per_video_frame(
    frames: int, wav2vec2: Wav2Vec2Voice, whisper: WhisperVoice
) -> None:
    assert wav2vec2(voice(frames)).shape == (1, frames, 3, 24)
    assert whisper(voice(frames)).shape == (1, frames, 10, 24)


@pytest.mark.parametrize("samples", [0, 639, 641])
def test_broken_frames_are_refused(samples: int, encoder: Wav2Vec2Voice | WhisperVoice) -> None:
    with pytest.raises(ShapeError, match="multiple of 640"):
        encoder(torch.zeros(1, samples))


def test_whisper_refuses_more_than_it_hears(whisper: WhisperVoice) -> None:
    with pytest.raises(ShapeError, match="250 frames at a time, not 251"):
        whisper(torch.zeros(1, 251 * FRAME))


def test_wav2vec2s_layers_are_those_of_the_library(wav2vec2: Wav2Vec2Voice) -> None:
    sound = normalised(voice(40))
    with torch.no_grad():
        theirs = wav2vec2.network(sound, output_hidden_states=True).hidden_states[1:]
        ours = wav2vec2.layers(wav2vec2.network.feature_extractor(sound))
    assert len(theirs) == ours.shape[2] == 3
    for depth, layer in enumerate(theirs):
        assert torch.allclose(ours[:, :, depth], layer, atol=1e-5)


def test_features_are_brought_to_25_hz_before_the_transformer(wav2vec2: Wav2Vec2Voice) -> None:
    """Frame i takes convolutional feature 2 i exactly: (L - 1) / (frames - 1) is 2."""
    sound = voice(40)
    heard = wav2vec2.network.feature_extractor(normalised(sound))
    assert heard.shape[2] == 79
    assert torch.allclose(wav2vec2(sound), wav2vec2.layers(heard[:, :, ::2]), atol=1e-5)


def test_normalisation_is_that_of_the_published_extractor() -> None:
    sound = voice(30) + 0.1
    theirs = Wav2Vec2FeatureExtractor(do_normalize=True)(
        sound[0].numpy(), sampling_rate=16_000, return_tensors="pt"
    )
    assert torch.allclose(normalised(sound), theirs.input_values, atol=1e-4)


def test_a_silent_room_is_not_made_as_loud_as_a_voice() -> None:
    room = 0.0005 * torch.randn(1, 16_000)
    assert float(normalised(room).square().mean().sqrt()) < 0.06
    assert torch.equal(normalised(torch.zeros(1, 640)), torch.zeros(1, 640))


def test_whispers_spectrogram_is_that_of_the_published_extractor(whisper: WhisperVoice) -> None:
    sound = voice(50)
    theirs = WhisperFeatureExtractor(feature_size=80)(
        sound[0].numpy(), sampling_rate=16_000, return_tensors="pt", padding="do_not_pad"
    ).input_features
    assert torch.allclose(whisper.log_mel(sound), theirs, atol=1e-4)


def test_whispers_depths_are_those_of_the_library(whisper: WhisperVoice) -> None:
    sound = voice(20)
    mel = torch.nn.functional.pad(whisper.log_mel(sound), (0, 1000 - 80))
    with torch.no_grad():
        found = whisper.network(mel, output_hidden_states=True)
    tokens = whisper(sound)
    steps = tokens.reshape(1, 40, 5, 24)
    for depth in range(4):
        assert torch.allclose(steps[:, :, depth], found.hidden_states[depth][:, :40], atol=1e-5)
    last = whisper.network.layer_norm(steps[:, :, 4])
    assert torch.allclose(last, found.last_hidden_state[:, :40], atol=1e-5)


def change(encoder: Wav2Vec2Voice | WhisperVoice, sound: Tensor, altered: Tensor) -> Tensor:
    """How far each frame's features move, (frames,)."""
    with torch.no_grad():
        moved: Tensor = (encoder(altered) - encoder(sound)).flatten(2).norm(dim=-1)[0]
    return moved


@pytest.mark.parametrize("frame", [3, 20, 45])
def test_a_click_shows_at_its_frame(frame: int, encoder: Wav2Vec2Voice | WhisperVoice) -> None:
    sound = voice(50)
    clicked = sound.clone()
    clicked[:, frame * FRAME + 150 : frame * FRAME + 250] += 1.0
    moved = change(encoder, sound, clicked)
    assert int(moved.argmax()) == frame
    assert float(moved[frame]) > 2 * float(moved.median())


@pytest.mark.parametrize("chunk", [0, 1, 5, 23])
def test_windows_equal_the_whole_recording_so_far(
    chunk: int, encoder: Wav2Vec2Voice | WhisperVoice
) -> None:
    """As long as the window holds everything said, to 1e-5."""
    end = (chunk + 1) * 8 + 2
    sound = voice(end)
    assert end <= PAST_FRAMES + 10
    window = torch.nn.functional.pad(sound, (GEOMETRY.past_samples, 0))[
        :, -GEOMETRY.window_samples :
    ]
    with torch.no_grad():
        whole = encoder(sound)
        tokens = hear_windows(encoder, window, [chunk], GEOMETRY, MARGIN)
    assert tokens.shape[1] == 12
    wanted = torch.arange(chunk * 8 - MARGIN, end).clamp_min(0)
    assert torch.allclose(tokens, whole[:, wanted], atol=1e-5)
    around = neighbours(tokens.flatten(2), MARGIN)
    assert around.shape[:3] == (1, 8, 5)


def test_beyond_the_window_the_past_is_forgotten(encoder: Wav2Vec2Voice | WhisperVoice) -> None:
    """A later window equals the encoding of its own ten seconds and a bit, not of all."""
    chunk, end = 26, 27 * 8 + 2
    sound = voice(end)
    window = sound[:, -GEOMETRY.window_samples :]
    with torch.no_grad():
        tokens = hear_windows(encoder, window, [chunk], GEOMETRY, MARGIN)
        assert torch.allclose(tokens, encoder(window)[:, -12:], atol=1e-6)


def test_streams_of_any_age_are_heard_together_as_alone(
    encoder: Wav2Vec2Voice | WhisperVoice,
) -> None:
    windows = torch.cat([voice(210), voice(210).flip(1), 0.5 * voice(210).roll(900, 1)])
    chunks = [3, 40, 3]
    for row in (0, 2):
        windows[row, : (PAST_FRAMES - 24) * FRAME] = 0
    with torch.no_grad():
        together = hear_windows(encoder, windows, chunks, GEOMETRY, MARGIN)
        for row, chunk in enumerate(chunks):
            alone = hear_windows(encoder, windows[row : row + 1], [chunk], GEOMETRY, MARGIN)
            assert torch.allclose(together[row], alone[0], atol=1e-5)


def test_what_is_heard_fits_the_networks_projection(wav2vec2: Wav2Vec2Voice) -> None:
    geometry, margin = CONFIG.geometry, CONFIG.audio.margin_frames
    projection = AudioProjection(UnetConfig(audio_layers=3, audio_dim=24), margin)
    with torch.no_grad():
        heard = hear_windows(
            wav2vec2, voice(218)[:, : geometry.window_samples], [40], geometry, margin
        )
        assert projection(heard).shape == (1, geometry.hop_frames, 32, 768)


def test_windows_of_another_shape_are_refused(whisper: WhisperVoice) -> None:
    with pytest.raises(ShapeError, match="windows are"):
        hear_windows(whisper, torch.zeros(1, 640), [0], GEOMETRY, MARGIN)
    with pytest.raises(ShapeError, match="margin of 3"):
        hear_windows(whisper, torch.zeros(1, GEOMETRY.window_samples), [0], GEOMETRY, 3)

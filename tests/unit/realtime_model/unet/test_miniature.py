"""The stand-ins for autoencoder and speech encoder: what they keep, and what they cannot."""

import torch

from realtime_model.features import LogMel
from realtime_model.pretrained.latents import ImageLatents
from realtime_model.unet.miniature import MelVoice, PatchAutoencoder


def error(channels: int, pictures: torch.Tensor) -> float:
    latents = ImageLatents(PatchAutoencoder(channels).fit(pictures), torch.device("cpu"))
    made = latents.decode(latents.encode(pictures)).float()
    return float((made - pictures).square().mean())


def test_all_patterns_give_the_picture_back(pictures: torch.Tensor) -> None:
    assert error(192, pictures) < 0.5  # rounding


def test_more_patterns_show_more(pictures: torch.Tensor) -> None:
    few, some, many = (error(channels, pictures) for channels in (4, 16, 48))
    assert few > 1.5 * some > 2.25 * many


def test_latents_are_centred_and_about_one(pictures: torch.Tensor) -> None:
    coder = PatchAutoencoder(16).fit(pictures)
    latents = ImageLatents(coder, torch.device("cpu")).encode(pictures)
    assert latents.shape == (len(pictures), 16, 8, 8)
    assert float(latents.mean((0, 2, 3)).abs().max()) < 1e-3
    deviation = latents.std((0, 2, 3))
    assert torch.all(deviation.diff() <= 1e-4)  # rarer patterns are told apart less
    assert 0.3 < float(deviation.mean()) < 3


def test_a_cell_is_its_own_square_of_pixels(pictures: torch.Tensor) -> None:
    coder = PatchAutoencoder(16).fit(pictures)
    latents = torch.zeros(1, 16, 4, 4)
    latents[0, 2, 1, 3] = 1
    changed = (coder.decode(latents).sample - coder.decode(latents * 0).sample)[0].abs().sum(0) > 0
    rows, columns = (torch.nonzero(changed.any(axis))[:, 0] for axis in (1, 0))
    assert 8 <= int(rows.min()) <= int(rows.max()) < 16
    assert 24 <= int(columns.min()) <= int(columns.max()) < 32


def test_a_voice_is_heard_as_four_spectra_a_frame_and_never_ahead() -> None:
    torch.manual_seed(0)
    samples, voice = torch.randn(1, 640 * 5) * 0.1, MelVoice(20)
    heard = voice(samples)
    assert heard.shape == (1, 5, 4, 20)
    assert torch.equal(heard.flatten(1, 2), LogMel(20)(samples))
    louder = samples.clone()
    louder[:, 640 * 3 :] *= 3
    assert torch.equal(voice(louder)[:, :3], heard[:, :3])
    assert not torch.equal(voice(louder)[:, 3], heard[:, 3])

"""Gliding: no step from chunk to chunk, the right pace, lips untouched."""

import itertools

import torch

from realtime_model.facemap import CHANNELS
from realtime_model.glide import glide, part_cells

HOP = 4
NOWHERE, EVERYWHERE = torch.zeros(1, 1, 8, 8), torch.ones(1, 1, 8, 8)


def glided(latents: torch.Tensor, mouth: torch.Tensor) -> torch.Tensor:
    """All frames of a stream, chunk by chunk, from rest."""
    hops = [torch.zeros(HOP, *latents.shape[1:]), *latents.reshape(-1, HOP, *latents.shape[1:])]
    return torch.cat([glide(a, b, mouth) for a, b in itertools.pairwise(hops)])


def test_steps_at_the_edges_of_chunks_are_gone_and_the_pace_is_kept() -> None:
    chunk = torch.arange(40) // HOP
    latents = (chunk * 4.0 + torch.arange(40) % HOP * 0.5)[:, None, None, None].expand(-1, 4, 8, 8)
    moved = glided(latents, NOWHERE)[HOP:].diff(dim=0)
    assert torch.allclose(moved, torch.ones_like(moved))


def test_lips_come_as_they_were_made() -> None:
    latents = torch.randn(12, 4, 8, 8)
    out = glided(latents, EVERYWHERE)
    assert torch.allclose(out[:, 2:], latents[:, 2:], atol=1e-6)
    assert not torch.allclose(out[:, :2], latents[:, :2], atol=0.1)


def test_a_chunk_ends_where_it_was_made_to_end() -> None:
    latents = torch.randn(12, 4, 8, 8)
    assert torch.allclose(glided(latents, NOWHERE)[HOP - 1 :: HOP], latents[HOP - 1 :: HOP])


def test_what_moves_evenly_is_left_as_it_is() -> None:
    latents = torch.arange(1.0, 21)[:, None, None, None].expand(-1, 4, 8, 8)
    assert torch.allclose(glided(latents, NOWHERE)[HOP:], latents[HOP:])


def test_cells_of_a_part_are_where_it_is_drawn() -> None:
    face_map = torch.zeros(1, 10, 64, 64)
    face_map[:, CHANNELS.index("lips"), 40:48, 24:40] = 1
    cells = part_cells(face_map, "lips")[0, 0]
    assert cells[5, 3] == cells[5, 4] == cells[4, 2] == 1
    assert cells[0].sum() == cells[7].sum() == 0

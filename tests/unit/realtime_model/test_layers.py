"""Attention whose keys are kept gives what attention that computes them gives."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from realtime_model.layers import Attention, KeyValue, ResBlock, group_norm, upsample


def test_kept_keys_equal_computed_ones() -> None:
    attention = Attention(16, 2)
    x, context = torch.randn(3, 5, 16), torch.randn(3, 7, 16)
    joined = attention(x, attention.key_value(torch.cat([x, context], 1)))
    apart = attention(x, attention.key_value(x), attention.key_value(context))
    assert torch.allclose(joined, apart, atol=1e-6)


@pytest.mark.parametrize("rows", [1, 2])
def test_shared_keys_equal_repeated_ones(rows: int) -> None:
    attention = Attention(16, 2)
    x, context = torch.randn(4, 5, 16), torch.randn(rows, 7, 16)
    shared = attention(x, attention.key_value(context).expand(4))
    repeated = attention(x, attention.key_value(context.repeat_interleave(4 // rows, 0)))
    assert torch.allclose(shared, repeated, atol=1e-6)


def test_one_row_is_expanded_without_a_copy() -> None:
    kept = KeyValue(torch.randn(1, 2, 3, 4), torch.randn(1, 2, 3, 4))
    assert kept.expand(8).key.data_ptr() == kept.key.data_ptr()
    assert kept.expand(1) is kept


def test_a_block_answers_to_its_time_embedding(shake: Callable[[nn.Module], None]) -> None:
    block = ResBlock(8, 16, 4)
    shake(block)
    x = torch.randn(2, 8, 4, 4)
    one, two = block(x, torch.zeros(2, 4)), block(x, torch.ones(2, 4))
    assert one.shape == (2, 16, 4, 4)
    assert not torch.allclose(one, two)


@pytest.mark.parametrize(("channels", "groups"), [(4, 1), (24, 3), (256, 16)])
def test_groups_are_never_smaller_than_eight_channels(channels: int, groups: int) -> None:
    assert group_norm(channels).num_groups == groups


def test_upsampling_repeats_cells() -> None:
    x = torch.arange(4.0).view(1, 1, 2, 2)
    assert torch.equal(upsample(x)[0, 0, :2, :2], torch.zeros(2, 2))
    assert torch.equal(upsample(x)[0, 0, 2:, 2:], torch.full((2, 2), 3.0))

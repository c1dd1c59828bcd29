"""Low-rank additions: a linear layer is trained through two narrow matrices beside its weights.

W' = W + up @ down, up starting at zero. Afterwards they become part of the weights: what is saved
and served has no additions.
Source: LoRA, arXiv:2106.09685, section 4.1; its scale alpha / r is 1 here, the rate decides.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize


class LowRank(nn.Module):
    """What is added to a weight (out, in)."""

    def __init__(self, weight: Tensor, rank: int) -> None:
        super().__init__()
        out, into = weight.shape
        self.up = nn.Parameter(weight.new_zeros(out, rank))
        self.down = nn.Parameter(torch.empty_like(weight[:1].expand(rank, into)))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(self, weight: Tensor) -> Tensor:
        return weight + self.up @ self.down


def add_lora(module: nn.Module, rank: int) -> None:
    """Train additions in place of the linear layers that have a gradient, and nothing else."""
    chosen = [m for m in module.modules() if isinstance(m, nn.Linear) and m.weight.requires_grad]
    module.requires_grad_(False)
    for linear in chosen:
        addition = LowRank(linear.weight, min(rank, *linear.weight.shape))
        parametrize.register_parametrization(linear, "weight", addition)


def merge_lora(module: nn.Module) -> None:
    """Make all additions part of the weights."""
    for part in list(module.modules()):
        if parametrize.is_parametrized(part, "weight"):
            parametrize.remove_parametrizations(part, "weight", leave_parametrized=True)

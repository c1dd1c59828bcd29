"""The processes that train together: one, or several that ``accelerate launch`` has started.

Every process draws windows of its own and takes the same step with the mean of all gradients.
Gradients are averaged after the way back and not during it, as DistributedDataParallel would: a
step may then ask its networks as often as it likes, compute parts of them again, and leave others
out.
"""

import os
from collections.abc import Iterable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

from realtime_model.errors import TrainingError

_BUCKET = 32 << 20  # numbers that are sent together


class Processes:
    """Whom this process trains with.

    Attributes:
        rank: number of this process.
        count: how many there are.
        device: what this one computes on.

    Raises:
        TrainingError: several were started, but the package they need is not there.
    """

    def __init__(self) -> None:
        self._team: Any = None
        self.rank, self.count = 0, int(os.environ.get("WORLD_SIZE", "1"))
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        if self.count > 1:
            if find_spec("accelerate") is None:
                raise TrainingError(
                    "Several processes need one more package: pip install 'emolive[multi-gpu]'"
                )
            self._team = import_module("accelerate").Accelerator(
                cpu=self.device.type == "cpu"  # else it leaves processes without a GPU alone
            )
            self.rank, self.device = self._team.process_index, self._team.device

    @property
    def leads(self) -> bool:
        """Whether this process writes files and shows progress."""
        return self.rank == 0

    def all_hold(self, holds: bool) -> bool:
        """Whether something holds in every process."""
        if self._team is None:
            return holds
        held: Tensor = self._team.reduce(torch.tensor(float(holds), device=self.device), "sum")
        return int(held) == self.count

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace each gradient by its mean over all processes; none counts as zeros."""
        if self._team is None:
            return
        waiting: list[nn.Parameter] = []
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            waiting.append(parameter)
            if sum(p.numel() for p in waiting) > _BUCKET:
                self._send(waiting)
                waiting = []
        self._send(waiting)

    def _send(self, parameters: list[nn.Parameter]) -> None:
        gradients = [p.grad for p in parameters if p.grad is not None]
        if not gradients:
            return
        flat = self._team.reduce(torch.cat([g.flatten() for g in gradients]), "mean")
        for gradient, mean in zip(
            gradients, flat.split([g.numel() for g in gradients]), strict=True
        ):
            gradient.copy_(mean.view_as(gradient))

    def wait(self) -> None:
        """Wait until all are here."""
        if self._team is not None:
            self._team.wait_for_everyone()

"""The loop all trainers share: resume, step, average, log, check, save; a kill loses little."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError

import torch
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from realtime_model.errors import CheckpointError, TrainingError
from realtime_model.training.processes import Processes


@dataclass(frozen=True, slots=True)
class Step:
    """Loss of one step and the parts worth watching."""

    loss: Tensor
    parts: dict[str, Tensor]


class Loop:
    """Trains one module with AdamW, a one-cycle rate and an average of its weights.

    Checkpoints lie in ``out/last.pt`` (written atomically) and hold weights, average, optimiser and
    step. Of several processes, all take each step with the mean of their gradients, and the first
    one writes.

    Raises:
        CheckpointError: the checkpoint in ``out`` is damaged or does not fit the module.
        TrainingError: the loss stays not-a-number, or the disk is full.
    """

    def __init__(
        self,
        module: nn.Module,
        out: Path,
        *,
        steps: int,
        lr: float,
        name: str,
        ema: float = 0.999,
        save_every: int = 200,
        processes: Processes | None = None,
    ) -> None:
        out.mkdir(parents=True, exist_ok=True)
        self._processes = processes or Processes()
        self.module, self.out, self.steps, self.name = module, out, steps, name
        self.step = 0
        self._lr, self._ema_rate, self._save_every = lr, ema, save_every
        self._parameters = [p for p in module.parameters() if p.requires_grad]
        self._optimiser = torch.optim.AdamW(
            self._parameters, lr, betas=(0.9, 0.99), weight_decay=1e-3
        )
        self.average = {k: v.detach().clone() for k, v in module.state_dict().items()}
        self._bad = 0
        self._resume()

    def _resume(self) -> None:
        path = self.out / "last.pt"
        if not path.is_file():
            return
        try:
            saved = torch.load(path, map_location=self._device, weights_only=True)
            self.module.load_state_dict(saved["module"])
            self._optimiser.load_state_dict(saved["optimiser"])
            self.average, self.step = saved["average"], saved["step"]
        except (RuntimeError, KeyError, ValueError, EOFError, UnpicklingError) as exc:
            raise CheckpointError(
                f"{path} is damaged or of another recipe; move it away to start over"
            ) from exc

    @property
    def _device(self) -> torch.device:
        return next(self.module.parameters()).device

    def save(self) -> None:
        """Write the checkpoint; a kill in between leaves the one before."""
        if not self._processes.leads:
            return
        state = {
            "module": self.module.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "average": self.average,
            "step": self.step,
        }
        save_whole(state, self.out / "last.pt")

    def run(
        self,
        compute: Callable[[int], Step],
        *,
        check: Callable[[int], dict[str, float]] | None = None,
        check_every: int = 500,
    ) -> None:
        """Run to the last step; ``check`` sees the averaged weights."""
        columns = (
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )
        leads = self._processes.leads
        console = Console(quiet=not leads)
        log = self.out / "log" if leads else self.out / f"log-{self._processes.rank}"
        with SummaryWriter(log) as board, Progress(*columns, console=console) as bar:
            task = bar.add_task(self.name, total=self.steps, completed=self.step, note="")
            while self.step < self.steps:
                parts = self._advance(compute)
                bar.update(task, completed=self.step, note=_note(parts))
                if self.step % 20 == 0:
                    for key, value in parts.items():
                        board.add_scalar(f"train/{key}", value, self.step)
                due = self.step % check_every == 0 or self.step == self.steps
                if check and due and leads:
                    found = self._checked(check)
                    for key, value in found.items():
                        board.add_scalar(f"heldout/{key}", value, self.step)
                    console.print(f"{self.name} {self.step}: {_note(parts)} | {_note(found)}")
                if self.step % self._save_every == 0 or self.step == self.steps:
                    self.save()
        self._processes.wait()

    def _advance(self, compute: Callable[[int], Step]) -> dict[str, float]:
        for group in self._optimiser.param_groups:
            group["lr"] = self._lr * _one_cycle(self.step / self.steps)
        step = compute(self.step)
        self._optimiser.zero_grad(set_to_none=True)
        if not self._processes.all_hold(bool(torch.isfinite(step.loss))):
            self._bad += 1
            if self._bad > 5:
                raise TrainingError(
                    f"the loss of {self.name} is not a number six times in a row "
                    f"at step {self.step}; "
                    f"the last good state is {self.out / 'last.pt'}: lower the rate and run again"
                )
            self.step += 1
            return {"loss": float("nan")}
        self._bad = 0
        step.loss.backward()  # type: ignore[no-untyped-call]
        self._processes.average_gradients(self._parameters)
        nn.utils.clip_grad_norm_(self._parameters, 1.0)
        self._optimiser.step()
        self.step += 1
        self._follow()
        return {"loss": float(step.loss.detach())} | {
            k: float(v.detach()) for k, v in step.parts.items()
        }

    @torch.no_grad()
    def _follow(self) -> None:
        rate = min(self._ema_rate, (1 + self.step) / (10 + self.step))
        for key, value in self.module.state_dict().items():
            if value.is_floating_point():
                self.average[key].lerp_(value, 1 - rate)
            else:
                self.average[key].copy_(value)

    def _checked(self, check: Callable[[int], dict[str, float]]) -> dict[str, float]:
        own = {k: v.clone() for k, v in self.module.state_dict().items()}
        self.module.load_state_dict(self.average)
        try:
            return check(self.step)
        finally:
            self.module.load_state_dict(own)


def save_whole(state: object, path: Path) -> None:
    """Write a file that `torch.load` reads; it appears whole or not at all.

    Raises:
        TrainingError: it cannot be written; an older one is untouched.
    """
    part = path.with_name(path.name + ".part")
    try:
        torch.save(state, part)
        part.replace(path)
    except (OSError, RuntimeError) as exc:  # torch reports a full disk as RuntimeError
        part.unlink(missing_ok=True)
        raise TrainingError(
            f"{path} cannot be written, perhaps the disk is full: free some space and run again; "
            "what was written before is untouched"
        ) from exc


def _one_cycle(progress: float) -> float:
    """Warm up over 4 %, then a cosine down to 2 %."""
    if progress < 0.04:
        return max(progress / 0.04, 0.02)
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * (progress - 0.04) / 0.96))


def _note(values: dict[str, float]) -> str:
    return " ".join(f"{key} {value:.4g}" for key, value in values.items())

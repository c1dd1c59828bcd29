"""Two processes on the CPU take the very steps that one takes with all the rows."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from realtime_model.errors import TrainingError
from realtime_model.training.loop import Loop, Step
from realtime_model.training.processes import Processes

STEPS = 3


def rows() -> tuple[Tensor, Tensor]:
    dice = torch.Generator().manual_seed(1)
    return torch.randn(8, 5, generator=dice), torch.randn(8, 2, generator=dice)


def fit(out: Path, *, nan_in: int = -1) -> None:
    """Train on this process's share of the rows; the first process writes what came of it."""
    team = Processes()
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 2))
    module.append(nn.Linear(2, 2))  # of this one only even processes have a gradient
    each = 8 // team.count
    x, y = (part[team.rank * each :][:each] for part in rows())

    def step(number: int) -> Step:
        made = module[:3](x)
        loss = (made - y).pow(2).mean()
        if team.count == 1 or team.rank == 0:
            loss = loss + module[3](made.detach()).pow(2).mean() * 0
        if team.rank == nan_in and number == 1:
            loss = loss * float("nan")
        return Step(loss, {})

    Loop(module, out, steps=STEPS, lr=0.01, name="rows", processes=team).run(step)
    torch.save(module.state_dict(), out / f"process-{team.rank}.pt")


def launched(out: Path, *, nan_in: int = -1) -> list[dict[str, Tensor]]:
    """What two processes end with."""
    pytest.importorskip("accelerate", reason="the extra 'multi-gpu' is not installed")
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2"]
    command += ["--master-port=0", "--rdzv-backend=c10d", "--rdzv-endpoint=127.0.0.1:0"]
    command += [__file__, str(out), str(nan_in)]
    subprocess.run(command, check=True, timeout=240, capture_output=True)
    return [torch.load(out / f"process-{rank}.pt", weights_only=True) for rank in range(2)]


def test_two_processes_train_as_one_with_all_the_rows(tmp_path: Path) -> None:
    one, two = launched(tmp_path / "two")
    fit(tmp_path / "one")
    whole = torch.load(tmp_path / "one" / "process-0.pt", weights_only=True)
    for key, value in whole.items():
        assert torch.equal(one[key], two[key])
        torch.testing.assert_close(one[key], value, atol=1e-6, rtol=1e-5)
    saved = torch.load(tmp_path / "two" / "last.pt", weights_only=True)
    assert saved["step"] == STEPS


def test_a_loss_that_is_no_number_in_one_process_is_skipped_by_both(tmp_path: Path) -> None:
    one, two = launched(tmp_path, nan_in=1)
    assert all(torch.isfinite(v).all() for v in one.values())
    assert all(torch.equal(one[k], v) for k, v in two.items())


def test_one_process_needs_no_other_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime_model.training.processes.find_spec", lambda _: None)
    team = Processes()
    weight = nn.Parameter(torch.ones(2))
    weight.grad = torch.full((2,), 3.0)
    team.average_gradients([weight])
    assert weight.grad.tolist() == [3.0, 3.0]
    assert team.leads
    assert not team.all_hold(False)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(TrainingError, match="multi-gpu"):
        Processes()


if __name__ == "__main__":
    torch.set_num_threads(1)
    Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
    fit(Path(sys.argv[1]), nan_in=int(sys.argv[2]))

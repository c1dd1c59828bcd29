"""A training that is killed, poisoned or out of disk loses little and says what to do."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from realtime_model.errors import CheckpointError, TrainingError
from realtime_model.training.loop import Loop, Step, save_whole


class KilledError(Exception):
    """Stands for SIGKILL: nothing gets a chance to clean up."""


def made() -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))


def fitting(module: nn.Module, *, die_at: int = -1, nan_from: int = 10**9) -> Callable[[int], Step]:
    """A small regression whose every step is decided by its number."""

    def step(number: int) -> Step:
        if number == die_at:
            raise KilledError
        x = torch.randn(32, 4, generator=torch.Generator().manual_seed(number))
        loss: Tensor = (module(x)[:, 0] - x.sum(1)).pow(2).mean()
        return Step(loss * (float("nan") if number >= nan_from else 1), {"error": loss})

    return step


def loop(module: nn.Module, out: Path, steps: int = 10, save_every: int = 5) -> Loop:
    return Loop(module, out, steps=steps, lr=0.02, name="test", ema=0.9, save_every=save_every)


def test_the_loss_falls(tmp_path: Path) -> None:
    module = made()
    step = fitting(module)
    before = float(step(999).loss.detach())
    loop(module, tmp_path, steps=120).run(step)
    assert float(step(999).loss.detach()) < 0.2 * before


def test_a_killed_training_resumes_to_exactly_the_same_weights(tmp_path: Path) -> None:
    module = made()
    whole = loop(module, tmp_path / "whole")
    whole.run(fitting(module))
    module = made()
    with pytest.raises(KilledError):
        loop(module, tmp_path / "killed").run(fitting(module, die_at=7))
    module = made()
    resumed = loop(module, tmp_path / "killed")
    assert resumed.step == 5
    resumed.run(fitting(module))
    for key, value in whole.module.state_dict().items():
        assert torch.equal(resumed.module.state_dict()[key], value)
        assert torch.equal(resumed.average[key], whole.average[key])


def test_a_finished_training_does_nothing_more(tmp_path: Path) -> None:
    module = made()
    loop(module, tmp_path).run(fitting(module))
    again = loop(made(), tmp_path)
    again.run(fitting(again.module, die_at=10))
    assert again.step == 10


def test_a_loss_that_stays_nan_ends_it_with_the_last_good_state_kept(tmp_path: Path) -> None:
    module = made()
    with pytest.raises(TrainingError, match="six times"):
        loop(module, tmp_path, steps=40).run(fitting(module, nan_from=11))
    saved = torch.load(tmp_path / "last.pt", weights_only=True)
    assert all(torch.isfinite(v).all() for v in saved["module"].values())
    assert saved["step"] <= 15


def test_one_nan_is_skipped(tmp_path: Path) -> None:
    module = made()
    step = fitting(module)

    def once(number: int) -> Step:
        made_step = step(number)
        return Step(made_step.loss * float("nan"), {}) if number == 4 else made_step

    loop(module, tmp_path).run(once)
    assert all(torch.isfinite(p).all() for p in module.parameters())


@pytest.mark.parametrize("damage", ["cut", "noise", "other"])
def test_a_damaged_or_foreign_checkpoint_is_refused(damage: str, tmp_path: Path) -> None:
    module = made()
    loop(module, tmp_path).run(fitting(module))
    path = tmp_path / "last.pt"
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:300])
    elif damage == "noise":
        path.write_bytes(b"no checkpoint at all")
    other = nn.Linear(2, 2) if damage == "other" else made()
    with pytest.raises(CheckpointError, match="move it away"):
        loop(other, tmp_path)


def test_a_full_disk_keeps_the_last_checkpoint(
    tmp_path: Path, full_disk: AbstractContextManager[None]
) -> None:
    module = nn.Linear(100, 100)
    kept = loop(module, tmp_path)
    kept.save()
    before = (tmp_path / "last.pt").read_bytes()
    with full_disk, pytest.raises(TrainingError, match="free some space"):
        kept.save()
    assert (tmp_path / "last.pt").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["last.pt"]


def test_a_full_disk_leaves_no_half_written_file(
    tmp_path: Path, full_disk: AbstractContextManager[None]
) -> None:
    with full_disk, pytest.raises(TrainingError):
        save_whole({"x": torch.zeros(100_000)}, tmp_path / "x.pt")
    assert list(tmp_path.iterdir()) == []


def test_checks_see_the_average_and_training_goes_on_with_its_own(tmp_path: Path) -> None:
    module = made()
    training = loop(module, tmp_path)
    seen: list[bool] = []

    def check(_: int) -> dict[str, float]:
        state = module.state_dict()
        seen.append(all(torch.equal(state[k], v) for k, v in training.average.items()))
        return {"ok": 1.0}

    training.run(fitting(module), check=check, check_every=4)
    assert seen == [True, True, True]  # steps 4, 8 and the last
    plain = made()
    loop(plain, tmp_path / "plain").run(fitting(plain))
    assert all(torch.equal(v, plain.state_dict()[k]) for k, v in module.state_dict().items())


def test_losses_are_logged_for_tensorboard(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    module = made()
    loop(module, tmp_path, steps=40).run(fitting(module), check=lambda _: {"good": 2.0})
    log = EventAccumulator(str(tmp_path / "log"))
    log.Reload()
    assert [e.step for e in log.Scalars("train/error")] == [20, 40]
    assert [e.value for e in log.Scalars("heldout/good")] == [2.0]


def test_parts_that_are_frozen_stay_as_they_are(tmp_path: Path) -> None:
    module = made()
    frozen = next(iter(module.children())).requires_grad_(False)
    before = {k: v.clone() for k, v in frozen.state_dict().items()}
    training = loop(module, tmp_path)
    training.run(fitting(module))
    assert all(torch.equal(v, before[k]) for k, v in frozen.state_dict().items())
    assert all(torch.equal(training.average[f"0.{k}"], v) for k, v in before.items())

"""Costs of emo-sd15 add up, and bounds follow from them."""

import json
import sys

import pytest

from emolive.bench_flops import DEVICES, CostFigures, estimate_cost
from emolive.cli import main


@pytest.fixture(scope="module")
def two_steps() -> CostFigures:
    return estimate_cost(512, 12, 4, 2)


def test_stages_add_up_to_the_total(two_steps: CostFigures) -> None:
    assert sum(two_steps.frame_gflop.values()) == pytest.approx(
        two_steps.frame_gflop_total, abs=0.2
    )
    assert two_steps.step_gflop_nothing_kept == pytest.approx(1658, rel=0.03)
    assert two_steps.frame_gflop["decode_taesd"] == pytest.approx(141, rel=0.03)


def test_weights_are_those_of_the_published_file_in_half_precision(two_steps: CostFigures) -> None:
    assert sum(two_steps.weights_mib.values()) * 2**20 == pytest.approx(4.85e9, rel=0.01)


def test_steps_cost_steps_and_the_rest_stays(two_steps: CostFigures) -> None:
    four = estimate_cost(512, 12, 4, 4)
    for stage, gflop in two_steps.frame_gflop.items():
        times = 2 if stage.startswith("step_") else 1
        assert four.frame_gflop[stage] == pytest.approx(times * gflop, rel=1e-3)


def test_a_bound_is_operations_by_rate(two_steps: CostFigures) -> None:
    for device in DEVICES:
        bound = two_steps.bound[device.name]
        computed_ms = two_steps.frame_gflop_total / device.sustained_tflops
        assert bound.frame_ms == pytest.approx(computed_ms, rel=0.01)
        assert bound.fps == pytest.approx(1e3 / bound.frame_ms, rel=0.01)
        assert bound.realtime_factor == pytest.approx(bound.frame_ms / 40, rel=0.01)
        assert bound.fits


@pytest.mark.parametrize(("device", "steps"), [("RTX 4090", 2), ("H100", 8)])
def test_the_most_steps_in_real_time_are_just_in_time(device: str, steps: int) -> None:
    assert estimate_cost(512, 12, 4, 1).bound[device].most_steps_in_real_time == steps
    assert estimate_cost(512, 12, 4, steps).bound[device].realtime_factor <= 1
    assert estimate_cost(512, 12, 4, steps + 1).bound[device].realtime_factor > 1


def test_reading_the_weights_bounds_a_single_small_frame() -> None:
    small = estimate_cost(64, 1, 1, 1)
    read_ms = small.weights_mib["backbone"] * 2**20 / 0.30e9
    assert small.bound["L4"].frame_ms > read_ms


def test_the_command_prints_the_same_as_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], two_steps: CostFigures
) -> None:
    monkeypatch.setattr(sys, "argv", ["emolive", "bench", "flops", "--json"])
    with pytest.raises(SystemExit) as end:
        main()
    assert not end.value.code
    told = json.loads(capsys.readouterr().out)
    assert told["report"] == "bench flops"
    assert told["frame_gflop_total"] == two_steps.frame_gflop_total
    assert told["bound"]["H100"]["fps"] == two_steps.bound["H100"].fps


def test_a_size_that_is_no_multiple_of_64_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["emolive", "bench", "flops", "--size", "500"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert "500 is not a multiple of 64" in capsys.readouterr().err

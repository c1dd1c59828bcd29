"""Looks at a machine the way a person would when something does not work: one line per question."""

import platform
import shutil
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from emolive.errors import REPORTED
from emolive.report import this_machine
from realtime_model.errors import CheckpointError
from realtime_model.presets import DEFAULT, preset_names, preset_path

_NVIDIA_DRIVER = Path("/proc/driver/nvidia/version")
_ENOUGH_MEMORY_MIB = 2_000
_CODECS = (("libx264", "w"), ("aac", "w"), ("libopus", "w"), ("libvpx", "w"), ("opus", "r"))


class Verdict(StrEnum):
    """What a finding means for the program."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer to one question.

    Attributes:
        advice: what to do; empty when all is well.
    """

    topic: str
    verdict: Verdict
    found: str
    advice: str = ""


def examine(port: int) -> list[Finding]:
    """Ask every question; a later one is asked even if an earlier one failed."""
    questions: tuple[Callable[[], Finding], ...] = (
        _python,
        _processor,
        _memory,
        _torch,
        _gpu,
        _codecs,
        _model,
        _weights,
        *(partial(_preset, name) for name in preset_names() if name != DEFAULT),
        lambda: _port(port),
        _chromium,
    )
    return [question() for question in questions]


def print_findings(findings: Sequence[Finding]) -> bool:
    """Print a table and return whether nothing failed."""
    table = Table("", "topic", "found", "what to do")
    colours = {Verdict.OK: "green", Verdict.WARN: "yellow", Verdict.FAIL: "red"}
    for finding in findings:
        mark = f"[{colours[finding.verdict]}]{finding.verdict.value}[/]"
        table.add_row(mark, finding.topic, finding.found, finding.advice)
    Console().print(table)
    return all(finding.verdict is not Verdict.FAIL for finding in findings)


def _python() -> Finding:
    version = platform.python_version()
    if (3, 11) <= sys.version_info < (3, 14):
        return Finding("Python", Verdict.OK, version)
    return Finding("Python", Verdict.FAIL, version, "Use Python 3.11, 3.12 or 3.13.")


def _processor() -> Finding:
    machine = this_machine()
    found = f"{machine.cores} cores, {machine.cpu}"
    if machine.cores >= 2:
        return Finding("processor", Verdict.OK, found)
    return Finding("processor", Verdict.WARN, found, "One core may be too slow for a live call.")


def _memory() -> Finding:
    mib = this_machine().memory_mib
    if mib >= _ENOUGH_MEMORY_MIB:
        return Finding("memory", Verdict.OK, f"{mib} MiB")
    return Finding("memory", Verdict.WARN, f"{mib} MiB", "2 GiB or more are advised.")


def _torch() -> Finding:
    try:
        import torch
    except (ImportError, OSError) as exc:
        return Finding("torch", Verdict.FAIL, f"cannot be loaded: {exc}", "Run: make install")
    build = f"CUDA {torch.version.cuda}" if torch.version.cuda else "CPU"
    found = f"{torch.__version__} ({build})"
    if torch.version.cuda and not _NVIDIA_DRIVER.exists():
        return Finding("torch", Verdict.WARN, found, "CUDA without a GPU: make clean install")
    return Finding("torch", Verdict.OK, found)


def _gpu() -> Finding:
    if not _NVIDIA_DRIVER.exists():
        return Finding("GPU", Verdict.OK, "none; the default model does not need one")
    driver = _NVIDIA_DRIVER.read_text(encoding="utf-8").splitlines()[0]
    return Finding("GPU", Verdict.OK, driver.partition(":")[2].strip())


def _codecs() -> Finding:
    import av
    from av.codec import Codec
    from av.codec.codec import UnknownCodecError

    missing = []
    for name, mode in _CODECS:
        try:
            Codec(name, mode)  # type: ignore[arg-type]  # mode is "r" or "w"
        except UnknownCodecError:
            missing.append(name)
    found = f"FFmpeg through PyAV {av.__version__}"
    if not missing:
        return Finding("codecs", Verdict.OK, found)
    return Finding("codecs", Verdict.FAIL, f"{found} without {', '.join(missing)}", "make install")


def _model() -> Finding:
    """Load the default weights, which verifies their hash, and render a little."""
    from emolive.bench_model import measure_model
    from emolive.presets import load_preset

    try:
        figures = measure_model(lambda: load_preset("default", threads=None), seconds=2)
    except REPORTED as exc:
        return Finding("model", Verdict.FAIL, str(exc), "Restore the file, or reinstall emolive.")
    factor = figures.realtime_factor.p95
    found = f"weights intact; a chunk takes {factor:.2f} of real time (p95)"
    if factor < 1:
        return Finding("model", Verdict.OK, found)
    return Finding("model", Verdict.WARN, found, "Too slow for live calls; end other programs.")


def _weights() -> Finding:
    """Which public weights were added to the folder below this one."""
    from realtime_model.pretrained.store import WeightStore

    try:
        there = WeightStore().there()
    except REPORTED as exc:
        return Finding("added weights", Verdict.WARN, str(exc), "emolive weights list")
    sizes = [f"{kind} {about.bytes / 1e6:.0f} MB" for kind, about in there.items()]
    found = ", ".join(sizes) or "none; the default preset needs none"
    return Finding("added weights", Verdict.OK, found)


def _preset(name: str) -> Finding:
    """Whether a preset of added weights can be run here; nothing of it is loaded."""
    from realtime_model.checkpoint import read_config
    from realtime_model.pretrained.store import WeightStore
    from realtime_model.unet.building import plan

    topic = f"preset {name}"
    try:
        made = plan(read_config(preset_path(name)))
    except CheckpointError as exc:
        wanted = any(path.is_dir() for path in WeightStore().folder.glob("*"))
        verdict = Verdict.WARN if wanted else Verdict.OK
        return Finding(topic, verdict, f"cannot be run: {exc}", "Only if you want it.")
    except REPORTED as exc:
        return Finding(topic, Verdict.WARN, f"cannot be run: {exc}", "See docs/weights.md")
    found = f"can be run, with {made.memory}"
    if made.device.type == "cuda":
        return Finding(topic, Verdict.OK, found)
    return Finding(topic, Verdict.WARN, found, "Far from real time without a GPU.")


def _port(port: int) -> Finding:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as exc:
            advice = f"End the other program, or: emolive serve --port {port + 1}"
            return Finding("port", Verdict.WARN, f"{port}: {exc.strerror}", advice)
    return Finding("port", Verdict.OK, f"{port} is free")


def _chromium() -> Finding:
    path = shutil.which("chromium")
    if path:
        return Finding("browser tests", Verdict.OK, path)
    advice = "Only for the browser tests: sudo apt install chromium"
    return Finding("browser tests", Verdict.WARN, "no Chromium", advice)

"""Benchmark reports: dataclasses that print as rich tables or as JSON with the same names."""

import json
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import ClassVar

import numpy as np
from rich.console import Console
from rich.table import Table

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Percentiles:
    """What half, 95 % and 99 % of the values stay below."""

    p50: float
    p95: float
    p99: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Percentiles":
        p50, p95, p99 = np.percentile(np.asarray(values, np.float64), [50, 95, 99])
        return cls(*(round(float(p), 4) for p in (p50, p95, p99)))


@dataclass(frozen=True, slots=True)
class Machine:
    """Where the figures were taken: without it they mean nothing."""

    cpu: str
    cores: int
    memory_mib: int
    python: str
    system: str


@cache
def this_machine() -> Machine:
    """Return what this process runs on."""
    page_bytes, pages = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_PHYS_PAGES")
    return Machine(
        cpu=_cpu_name(),
        cores=len(os.sched_getaffinity(0)),
        memory_mib=page_bytes * pages // 2**20,
        python=platform.python_version(),
        system=platform.platform(terse=True),
    )


def _cpu_name() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


@dataclass(frozen=True, slots=True)
class Report:
    """Base of all reports: what was measured, and on which machine."""

    title: ClassVar[str]

    machine: Machine = field(default_factory=this_machine, kw_only=True)


def as_json(report: Report) -> str:
    """Return the report as JSON: its fields, the machine, and the version of this layout."""
    body = {"schema": SCHEMA_VERSION, "report": report.title, **asdict(report)}
    return json.dumps(body, indent=2)


def print_report(report: Report, to_json: bool) -> None:
    """Print a report on standard output, as a table or as JSON."""
    console = Console(soft_wrap=to_json)
    if to_json:
        console.print(as_json(report), markup=False, highlight=False)
        return
    table = Table("", "", title=report.title, show_header=False, title_justify="left")
    values = asdict(report)
    machine = values.pop("machine")
    for name, text in _rows({**values, "machine": machine}):  # figures first
        table.add_row(name, text)
    console.print(table)


def _rows(values: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Name and text of every figure; a unit suffix of the field becomes the unit."""
    for key, value in values.items():
        name = f"{prefix}{key.replace('_', ' ')}"
        if isinstance(value, Mapping):
            yield from _rows(value, f"{name} · ")
        elif isinstance(value, float):
            yield name, f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"
        else:
            yield name, "not measured" if value is None else str(value)

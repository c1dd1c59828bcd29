"""The layout every newcomer relies on."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("emolive", "realtime_model", "stream_server")
# A long file needs a reason; so far none has one.
MOST_LINES = 500
# Machine paths and package mirrors: what one workplace has does not belong in the project.
# Written in pieces, so that this file may be read as well.
FOREIGN = re.compile(
    "|".join((r"/wo" r"rk/", r"/op" r"t/", r"/tmp" r"/", r"file:" r"///", r"/ro" r"ot/"))
)
TEXT = {".py", ".md", ".toml", ".yaml", ".yml", ".js", ".css", ".html", ".txt", ""}


def tracked_files() -> list[Path]:
    """Every file git knows or would add; without git (a downloaded archive), every source file."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode == 0:
        names = listed.stdout.decode().split("\0")
        return [ROOT / name for name in names if name and (ROOT / name).is_file()]
    folders = (*PACKAGES, "tests", "docs", "configs", "client_web")
    return [path for name in folders for path in (ROOT / name).rglob("*") if path.is_file()]


def python_files() -> list[Path]:
    return [path for path in tracked_files() if path.suffix == ".py"]


def test_no_file_is_too_long_to_read() -> None:
    lengths = {str(path.relative_to(ROOT)): _lines(path) for path in python_files()}
    assert len(lengths) > 10
    assert {name: count for name, count in lengths.items() if count > MOST_LINES} == {}


def _lines(path: Path) -> int:
    return path.read_text(encoding="utf-8").count("\n")


def test_no_text_speaks_of_one_machine() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}"
        for path in tracked_files()
        if path.suffix in TEXT and "LICENSE" not in path.name
        for number, line in enumerate(_text(path).splitlines(), start=1)
        if FOREIGN.search(line)
    ]
    assert found == []


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_say_nothing_at_import(package: str) -> None:
    assert (ROOT / package / "__init__.py").read_text(encoding="utf-8") == ""


@pytest.mark.parametrize("package", PACKAGES)
def test_every_module_says_what_it_is(package: str) -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in python_files()
        if path.is_relative_to(ROOT / package)
        and path.name != "__init__.py"
        and not path.read_text(encoding="utf-8").startswith(('"""', 'r"""'))
    ]
    assert silent == []


def test_commands_in_the_readme_exist() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][a-z -]*):", makefile, re.MULTILINE))
    targets |= {name for line in targets for name in line.split()}
    asked = set(re.findall(r"\bmake ([a-z-]+)", readme))
    assert {"serve", "test"} <= asked
    assert asked <= targets


@pytest.mark.parametrize(
    "name",
    ["CHANGELOG.md", "LICENSE", "Dockerfile", ".ci/run", "docs/notebook.md", "constraints.txt"],
)
def test_house_files_exist(name: str) -> None:
    assert (ROOT / name).stat().st_size > 0


def test_ci_runs_the_readmes_test_command() -> None:
    assert "\nmake test\n" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_every_pin_is_exact() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert len(pins) > 50
    assert [
        line for line in pins if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", line)
    ] == []


def test_every_extra_that_is_named_exists() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = declared["project"]["optional-dependencies"].keys()
    named = {
        extra
        for path in tracked_files()
        if path.suffix in {".py", ".md"}
        for extra in re.findall(r"emolive\[([a-z0-9-]+)\]", path.read_text(encoding="utf-8"))
    }
    assert {"evaluate", "sd15"} <= named <= extras


def test_tests_lie_in_a_category() -> None:
    tests = [path for path in python_files() if path.name.startswith("test_")]
    categories = {path.relative_to(ROOT / "tests").parts[0] for path in tests}
    assert categories <= {"unit", "integration", "e2e", "soak"}


@pytest.mark.parametrize(
    ("reason", "passes"), [("gpu: no CUDA device", True), ("Chromium is missing", False)]
)
def test_ci_allows_no_skip_but_for_a_gpu(tmp_path: Path, reason: str, passes: bool) -> None:
    report = tmp_path / "junit.xml"
    suite = ElementTree.Element("testsuite")
    case = ElementTree.SubElement(suite, "testcase", classname="tests.e2e", name="test_page")
    ElementTree.SubElement(case, "skipped", message=reason)
    ElementTree.ElementTree(suite).write(report)
    checked = subprocess.run(
        [sys.executable, str(ROOT / ".ci" / "skips.py"), str(report)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode == 0) is passes
    assert (reason in checked.stderr) is not passes

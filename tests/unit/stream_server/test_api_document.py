from pathlib import Path

from stream_server.app import create_app
from stream_server.settings import load_settings
from stream_server.signaling.call_routes import CALLS_PATH
from stream_server.signaling.problems import KINDS

DOCUMENT = (Path(__file__).parents[3] / "docs" / "api.md").read_text(encoding="utf-8")


def test_every_route_is_described() -> None:
    paths = create_app(load_settings()).openapi()["paths"]
    for path, methods in paths.items():
        known = path.replace("{session_id}", "{id}").replace("{avatar_id}", "{id}")
        for method in methods:
            assert f"`{method.upper()} {known}`" in DOCUMENT


def test_every_option_of_a_call_is_described_with_its_default() -> None:
    call = create_app(load_settings()).openapi()["paths"][CALLS_PATH]["post"]
    rows = dict(
        line.strip("| ").split(" | ", 1) for line in DOCUMENT.splitlines() if line[:3] == "| `"
    )
    for option in call["parameters"]:
        described = rows[f"`{option['name']}`"]
        if (default := option["schema"].get("default")) is not None:
            assert described.endswith(f"| {default:g}")


def test_every_problem_is_listed_with_its_status() -> None:
    rows = dict(
        line.strip("| ").split(" | ", 1) for line in DOCUMENT.splitlines() if line[2:5].isdecimal()
    )
    for code, kind in KINDS.items():
        assert f"`{code}`" in rows[str(kind.status)]

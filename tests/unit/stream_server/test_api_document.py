from pathlib import Path

from stream_server.app import create_app
from stream_server.settings import load_settings
from stream_server.signaling.problems import KINDS

DOCUMENT = (Path(__file__).parents[3] / "docs" / "api.md").read_text(encoding="utf-8")


def test_every_route_is_described() -> None:
    paths = create_app(load_settings()).openapi()["paths"]
    for path, methods in paths.items():
        known = path.replace("{session_id}", "{id}").replace("{avatar_id}", "{id}")
        for method in methods:
            assert f"`{method.upper()} {known}`" in DOCUMENT


def test_every_problem_is_listed_with_its_status() -> None:
    rows = dict(
        line.strip("| ").split(" | ", 1) for line in DOCUMENT.splitlines() if line[2:5].isdecimal()
    )
    for code, kind in KINDS.items():
        assert f"`{code}`" in rows[str(kind.status)]

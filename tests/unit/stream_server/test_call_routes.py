from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from fastapi import FastAPI

from realtime_model.contract import RgbImage, StreamOptions
from stream_server.signaling.call_routes import CALLS_PATH, call_routes
from stream_server.signaling.problems import install_problems
from stream_server.signaling.services import Services

PAGE = Path(__file__).parents[3] / "client_web" / "index.html"


class Listener:
    """Stands where the sessions, the engine and the catalogue are; keeps what a call asks for."""

    is_draining = False
    status = SimpleNamespace(is_ready=True)

    def __init__(self) -> None:
        self.options: list[StreamOptions] = []

    async def portrait(self, avatar: str | None) -> None:
        return None

    async def open(
        self, offer: str, portrait: RgbImage, options: StreamOptions, address: str
    ) -> tuple[str, str]:
        self.options.append(options)
        return "s1", "answer"


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def app(listener: Listener) -> FastAPI:
    services = SimpleNamespace(sessions=listener, engine=listener, catalogue=listener)
    app = FastAPI()
    app.include_router(call_routes(cast(Services, services)))
    install_problems(app)
    return app


async def call(app: FastAPI, options: Mapping[str, str]) -> httpx.Response:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        headers = {"Content-Type": "application/sdp"}
        return await client.post(CALLS_PATH, content="v=0", headers=headers, params=options)


async def test_options_of_a_call_reach_its_session(app: FastAPI, listener: Listener) -> None:
    asked = {"seed": "7", "steps": "2", "motion": "0.3", "head_speed": "2"}
    asked |= {"expression": "1.5", "blinks": "0"}
    assert (await call(app, asked)).status_code == 201
    assert listener.options == [
        StreamOptions(seed=7, steps=2, motion=0.3, head_speed=2, expression=1.5, blinks=0.0)
    ]


async def test_call_without_options_takes_the_models_own(app: FastAPI, listener: Listener) -> None:
    assert (await call(app, {})).status_code == 201
    assert listener.options == [StreamOptions()]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("motion", "-0.1"),
        ("motion", "1.1"),
        ("head_speed", "0.4"),
        ("head_speed", "2.1"),
        ("expression", "0.49"),
        ("expression", "1.51"),
        ("expression", "nan"),
        ("expression", "wide"),
        ("blinks", "-1"),
        ("blinks", "41"),
        ("blinks", "inf"),
        ("blinks", "1e-320"),
    ],
)
async def test_option_out_of_range_is_a_problem_that_names_it(
    app: FastAPI, listener: Listener, name: str, value: str
) -> None:
    answer = await call(app, {name: value})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["code"] == "invalid_request"
    assert problem["errors"][0]["where"] == f"query.{name}"
    assert listener.options == []


class Inputs(HTMLParser):
    """Collects the attributes of a page's inputs by id."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, dict[str, str | None]] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "input" and (given := dict(attrs)).get("id"):
            self.found[str(given["id"])] = given


@pytest.mark.parametrize("name", ["motion", "head_speed", "expression", "blinks", "seed"])
def test_page_offers_the_range_and_the_default_of_the_route(app: FastAPI, name: str) -> None:
    inputs = Inputs()
    inputs.feed(PAGE.read_text(encoding="utf-8"))
    shown = inputs.found[name]
    listed: list[dict[str, Any]] = app.openapi()["paths"][CALLS_PATH]["post"]["parameters"]
    (schema,) = [option["schema"] for option in listed if option["name"] == name]
    for attribute, key in (("min", "minimum"), ("max", "maximum"), ("value", "default")):
        assert float(str(shown[attribute])) == schema[key]

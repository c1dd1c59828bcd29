"""What the routes are given: the concrete things ``app.py`` built."""

import asyncio
from dataclasses import dataclass, field

from stream_server.avatars.catalogue import AvatarCatalogue
from stream_server.avatars.preflight import Preflight
from stream_server.inference.engine import InferenceEngine
from stream_server.observability.metrics import ServerMetrics
from stream_server.session.manager import SessionManager
from stream_server.settings import Settings


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of one server; they live exactly as long as its lifespan.

    Attributes:
        ended: set when that lifespan is over, asked for or not.
    """

    version: str
    settings: Settings
    engine: InferenceEngine
    sessions: SessionManager
    catalogue: AvatarCatalogue
    preflight: Preflight
    metrics: ServerMetrics
    ended: asyncio.Event = field(default_factory=asyncio.Event)

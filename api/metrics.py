"""`GET /metrics`: what this process counts, and how the whole system stands, for Prometheus to scrape."""

import time
from collections.abc import Sequence
from typing import Final

from litestar import Response, get
from litestar.datastructures import State
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from prometheus_client.core import Metric as Family

from api.health import KEEP_SECONDS
from api.kept import Kept
from api.system_metrics import SystemMetrics
from infrastructure.telemetry.kinds import CONTENT_TYPE, exposition
from infrastructure.telemetry.metrics import COUNTED
from infrastructure.telemetry.requests import count_answer

_BEGAN: Final = "stenolog_began"


@get("/metrics", include_in_schema=False)
async def metrics(state: State) -> Response[bytes]:
    """Numbers only: no ids, no addresses of people, nothing anybody said."""
    read = await state.parts.metrics.answer()
    return Response(exposition(COUNTED, read), media_type=CONTENT_TYPE)


def kept_metrics(system: SystemMetrics) -> Kept[Sequence[Family]]:
    """Looks at the database once in KEEP_SECONDS, however many scrape; without it the counts remain."""
    return Kept(system.read, KEEP_SECONDS)


async def count(message: Message, scope: Scope) -> None:
    """Sees every answer, also those to requests that no route took."""
    if message["type"] != "http.response.start" or scope["type"] != ScopeType.HTTP:
        return
    began = scope["state"].get(_BEGAN)
    seconds = None if began is None else time.perf_counter() - began
    count_answer(scope["method"], scope.get("path_template") or None, message["status"], seconds)


class Timed:
    """A middleware that remembers when a request was taken up."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"][_BEGAN] = time.perf_counter()
        await self._app(scope, receive, send)

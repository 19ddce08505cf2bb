"""`GET /metrics`: what this process counts, and how the whole system stands, for Prometheus to scrape."""

from collections.abc import Sequence

from litestar import Response, get
from litestar.datastructures import State
from litestar.types import HTTPScope
from prometheus_client.core import Metric as Family

from api.health import KEEP_SECONDS
from api.kept import Kept
from api.system_metrics import SystemMetrics
from infrastructure.telemetry.kinds import CONTENT_TYPE, exposition
from infrastructure.telemetry.metrics import COUNTED
from infrastructure.telemetry.requests import count_answer


@get("/metrics", include_in_schema=False)
async def metrics(state: State) -> Response[bytes]:
    """Numbers only: no ids, no addresses of people, nothing anybody said."""
    read = await state.parts.metrics.answer()
    return Response(exposition(COUNTED, read), media_type=CONTENT_TYPE)


def kept_metrics(system: SystemMetrics) -> Kept[Sequence[Family]]:
    """Looks at the database once in KEEP_SECONDS, however many scrape; without it the counts remain."""
    return Kept(system.read, KEEP_SECONDS)


def count(scope: HTTPScope, status: int, seconds: float) -> None:
    """Of every answer; requests that no route took are not timed."""
    route = scope.get("path_template") or None
    count_answer(scope["method"], route, status, seconds if route else None)

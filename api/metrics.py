"""`GET /metrics`: what the processes of this API count, and how the whole system stands, for Prometheus to scrape."""

from collections.abc import Sequence

from litestar import Response, get
from litestar.datastructures import State
from litestar.types import HTTPScope
from prometheus_client.core import Metric as Family

from api.health import KEEP_SECONDS
from api.kept import Kept
from api.parts import Parts
from api.system_metrics import SystemMetrics
from infrastructure.telemetry.kinds import CONTENT_TYPE, exposition
from infrastructure.telemetry.metrics import COUNTED
from infrastructure.telemetry.requests import count_answer
from infrastructure.telemetry.together import counted_together


@get("/metrics", include_in_schema=False)
async def metrics(state: State) -> Response[bytes]:
    """Numbers only: no ids, no addresses of people, nothing anybody said."""
    parts: Parts = state.parts
    read = await parts.metrics.answer()
    folder = parts.share.folder
    counted = COUNTED if folder is None else counted_together(folder)
    return Response(exposition(counted, read), media_type=CONTENT_TYPE)


def kept_metrics(system: SystemMetrics) -> Kept[Sequence[Family]]:
    """Looks at the database once in KEEP_SECONDS, however many scrape; without it the counts remain."""
    return Kept(system.read, KEEP_SECONDS)


def count(scope: HTTPScope, status: int, seconds: float) -> None:
    """Of every answer; requests that no route took are not timed."""
    route = scope.get("path_template") or None
    count_answer(scope["method"], route, status, seconds if route else None)

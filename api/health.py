"""Whether this process is alive, whether it can serve, and how the whole system stands."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from litestar import Response, get
from litestar.datastructures import State
from litestar.openapi import ResponseSpec

from api.checks import Look, NotReady, readiness
from api.database import look_at_database
from api.kept import Kept
from api.share import ALONE, Share
from api.system_health import SystemHealth
from domain.ports import ObjectStore
from infrastructure.postgres.pool import Pool
from schemas.bodies import Message, Readiness

KEEP_SECONDS: Final = 1.0
"""For how long an answer serves everybody who asks: looking costs queries, and a write to the object store."""


@get("/health/live", sync_to_thread=False)
def live() -> Message:
    """Answers as long as the process does."""
    return Message(message="alive")


NOT_WELL: Final = {
    503: ResponseSpec(Readiness, description="Not ready: the parts say why", generate_examples=False)
}


@get("/health/ready", responses=NOT_WELL)
async def ready(state: State) -> Response[Readiness]:
    """Whether this process can serve: its database answers and is of its version. Nobody else's trouble counts."""
    health: Health = state.parts.health
    return _answer(await health.process.answer())


@get("/health/system", responses=NOT_WELL)
async def system(state: State) -> Response[Readiness]:
    """Says of every part of the system how it stands, and which does not do its work, and why."""
    health: Health = state.parts.health
    return _answer(await health.system.answer())


def _answer(found: Readiness) -> Response[Readiness]:
    return Response(found, status_code=200 if found.ready else 503)


class Health:
    """Of one API process; each of the two answers is kept for KEEP_SECONDS."""

    def __init__(
        self,
        pool: Pool,
        objects: ObjectStore,
        disks: Mapping[str, Path],
        sandbox_gaps: Sequence[str],
        share: Share = ALONE,
    ) -> None:
        looks: dict[str, Look] = {"database": partial(look_at_database, pool)}
        if share.folder is not None:
            looks["siblings"] = partial(_siblings, share)
        self.process = Kept(partial(readiness, looks, {}), KEEP_SECONDS)
        self.system = Kept(SystemHealth(pool, objects, disks, sandbox_gaps).readiness, KEEP_SECONDS)


async def _siblings(share: Share) -> str:
    """Once all have started, one that is started again does not make this one less ready."""
    if not share.all_have_started():
        raise NotReady("not all processes of this API have started")
    return "have started"

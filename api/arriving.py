"""What was accepted is not called unknown: the log has it before the read models show it."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, TypeVar
from uuid import UUID

from api.parts import Parts
from api.rejections import NotShownYet
from domain.log import Address
from infrastructure.postgres.queries import load_queries
from schemas.partitions import partition_of

View = TypeVar("View")

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))


async def arrived(
    parts: Parts, ask: Callable[[], Awaitable[View | None]], stream_id: str, user_id: UUID
) -> View | None:
    """What `ask` finds in the read models; None once they show all that the user did to the stream.

    A miss costs a look at the log, and waits for what is there as a command does.
    Raises NotShownYet or DatabaseUnavailable.
    """
    if (view := await ask()) is not None:
        return view
    address = await _last_of(parts, stream_id, user_id)
    if address is None:
        return None
    is_shown = await parts.progress.wait(address, parts.settings.consistency_wait_seconds)
    if (view := await ask()) is None and not is_shown:
        raise NotShownYet
    return view


async def _last_of(parts: Parts, stream_id: str, user_id: UUID) -> Address | None:
    """Where the last event of the user's stream stands."""
    partition = partition_of(user_id, parts.settings.partitions)
    async with parts.reading() as connection:
        seq = await connection.fetchval(_SQL["last_of"], partition, stream_id, user_id)
    return None if seq is None else Address(partition, seq)

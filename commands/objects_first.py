"""What every handler does that puts an object before the event that names it: nothing stays when no event is on its way."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from domain.errors import PersonErased
from domain.ports import ObjectStore, ObjectStoreUnavailable

_LOGGER = logging.getLogger(__name__)


class Named:
    """Whether an event that names the object is on its way."""

    def __init__(self) -> None:
        self.is_on_its_way = False
        self.is_superseded = False

    def undecided(self) -> None:
        """It is decided anew, since others were first: what was about to be appended never will be."""
        self.is_on_its_way = self.is_superseded = False

    def appended(self) -> None:
        """It is about to be."""
        self.is_on_its_way, self.is_superseded = True, False

    def superseded(self) -> None:
        """What is about to be appended stands on an event that names another object in its place."""
        self.is_on_its_way, self.is_superseded = False, True


@asynccontextmanager
async def put_before_event(objects: ObjectStore, key: str) -> AsyncIterator[Named]:
    """The block puts the object and has the event appended; it says when that is on its way.

    From then on the event may be stored without an answer, or after its caller gave up: then the object stays,
    unnamed at worst. When the block fails before that, or needed no event about it, the object is deleted.
    """
    named = Named()
    try:
        yield named
    except BaseException as problem:
        # Of an erased person nothing personal is ever appended, so that no event will name it.
        if not named.is_on_its_way or isinstance(problem, PersonErased):
            await asyncio.shield(_remove(key, objects))
        raise
    if named.is_superseded:
        await asyncio.shield(_remove(key, objects))


async def _remove(key: str, objects: ObjectStore) -> None:
    try:
        await objects.delete(key)
    except ObjectStoreUnavailable as problem:
        _LOGGER.warning("an object that no event names stays: %s", problem)

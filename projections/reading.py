"""Events out of stored records: the keys that a batch needs are asked for once, before any of it is read."""

from collections.abc import Awaitable, Callable, Collection, Iterable
from functools import partial
from typing import Final, TypeAlias
from uuid import UUID

from domain.events import Event
from domain.log import RecordedEvent
from schemas.events import opened, owners_of_sealed
from schemas.sealing import BLIND, NO_KEYS, Keys

Decode: TypeAlias = Callable[[RecordedEvent], Event]
"""Raises as schemas.events.decode."""


class Reading:
    """`keys_of` gives those keys of these people that there are."""

    def __init__(self, keys_of: Callable[[Collection[UUID]], Awaitable[Keys]]) -> None:
        self._keys_of = keys_of

    async def prepared(self, records: Iterable[RecordedEvent]) -> Decode:
        """What reads these records. Raises what is wrong with them or with the keys."""
        owners = owners_of_sealed(records)
        return partial(opened, keys=await self._keys_of(owners) if owners else NO_KEYS)


async def _nobodys(owner_ids: Collection[UUID]) -> Keys:
    del owner_ids
    return BLIND


BLIND_READING: Final = Reading(_nobodys)
"""For who folds nothing personal: what is sealed says nothing."""

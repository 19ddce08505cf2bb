"""What happens to a person and their recording, appended as the API, the dispatcher and a worker would."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

from msgspec import Struct

from domain.events import Event
from domain.log import Address, Provenance, StreamAppend
from infrastructure.postgres.pool import create_pool
from infrastructure.postgres.store import PostgresEventStore
from tests.builders import (
    WORKER,
    completed,
    debited,
    granted,
    identity,
    job,
    registered,
    requested,
    reserved,
    started,
    uploaded,
)
from tests.infrastructure.postgres.database import PARTITION_COUNT
from tests.keys import keys_on

DISPATCHER = "dispatcher"


class Story(Struct, kw_only=True):
    """One person with one transcription that was completed; the addresses are of the last event of each step."""

    owner_id: UUID
    transcription_id: UUID
    file_id: UUID
    request_id: UUID
    addresses: dict[str, Address]

    @property
    def partition(self) -> int:
        return self.addresses["registered"].partition


class Teller:
    """Appends to streams that it alone appends to."""

    def __init__(self, store: PostgresEventStore) -> None:
        self._store = store
        self._versions: dict[str, int] = {}

    async def append(
        self, owner_id: UUID, provenance: Provenance, *appends: tuple[str, Sequence[Event]]
    ) -> Address:
        streams = [
            StreamAppend(
                stream_id=stream_id,
                owner_id=owner_id,
                expected_version=self._versions.get(stream_id, 0),
                events=events,
            )
            for stream_id, events in appends
        ]
        address = await self._store.append(streams, provenance)
        for stream_id, events in appends:
            self._versions[stream_id] = self._versions.get(stream_id, 0) + len(events)
        return address

    async def tell(self, owner_id: UUID | None = None) -> Story:
        owner = owner_id or uuid4()
        file_id = identity(f"file of {owner}")
        transcription_id = identity(f"transcription of {owner}")
        user, file = f"user-{owner}", f"file-{file_id}"
        transcription, quota = f"transcription-{transcription_id}", f"quota-{owner}"
        registering, uploading, requesting = _by(owner), _by(owner), _by(owner)
        of_dispatcher = Provenance(actor=DISPATCHER, correlation_id=transcription_id)
        of_worker = Provenance(actor=f"worker:{WORKER}", correlation_id=transcription_id)
        addresses = {
            "registered": await self.append(
                owner,
                registering,
                (user, [registered(user_id=owner)]),
                (quota, [granted(60, user_id=owner)]),
            ),
            "uploaded": await self.append(
                owner, uploading, (file, [uploaded(user_id=owner, file_id=file_id)])
            ),
            "requested": await self.append(
                owner,
                requesting,
                (transcription, [requested(user_id=owner, transcription_id=transcription_id)]),
                (quota, [reserved(2, user_id=owner, transcription_id=transcription_id)]),
            ),
            "started": await self.append(
                owner,
                of_dispatcher,
                (transcription, [started(user_id=owner, transcription_id=transcription_id)]),
            ),
            "completed": await self.append(
                owner,
                of_worker,
                (transcription, [completed(user_id=owner, transcription_id=transcription_id)]),
                (quota, [debited(2, user_id=owner, transcription_id=transcription_id)]),
            ),
        }
        return Story(
            owner_id=owner,
            transcription_id=transcription_id,
            file_id=job().file_id,
            request_id=requesting.correlation_id,
            addresses=addresses,
        )


def _by(owner_id: UUID) -> Provenance:
    correlation_id = uuid4()
    return Provenance(
        actor=f"user:{owner_id}", correlation_id=correlation_id, request_id=str(correlation_id)
    )


@asynccontextmanager
async def telling(url: str) -> AsyncIterator[Teller]:
    async with (
        await create_pool(url, size_max=3) as pool,
        PostgresEventStore(pool, PARTITION_COUNT, keys_on(pool)) as store,
    ):
        yield Teller(store)

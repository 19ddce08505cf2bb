"""What sealing costs an append: uploads, of which each names a file, beside the same with the name in the clear."""

import os
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final
from uuid import UUID, uuid4

import msgspec

from benchmarks.measure import Measurement, Target, report
from benchmarks.one_user import prepared
from benchmarks.stack import open_folder
from benchmarks.writers import PARTITIONS, provenance_of, rate, stream
from domain.events import Event
from domain.media_file import MEDIA_FILE, FileUploaded
from domain.ports import EventStore
from embedded.postgres import Postgres
from infrastructure.postgres import appending
from infrastructure.postgres.store import PostgresEventStore
from schemas.sealing import PersonKey
from tests.keys import keys_on

CALLERS: Final = (1, 64, 256)
ROUNDS: Final = 12
SECONDS: Final = float(os.environ.get("BENCH_SECONDS", "4")) / 8
"""Short, and many of them: what else the machine does then slows both down alike."""
CLEAR: Final = "in the clear"
COST_MAX: Final = 1.1
CAPTION: Final = f"uploads appended, each caller a user who has a key; {CLEAR}: the same events unsealed, in turn with ours, {ROUNDS} times each; medians"


async def main() -> None:
    with open_folder() as folder:
        server = Postgres(folder / "postgres", folder / "postgres.log")
        await server.start()
        try:
            report("sealing", CAPTION, [await _measure(server, callers) for callers in CALLERS])
        finally:
            await server.stop()


async def _measure(server: Postgres, callers: int) -> Measurement:
    sealed, clear = list[float](), list[float]()
    url = await server.create_database(f"sealing_{callers}")
    async with await prepared(url) as pool, PostgresEventStore(pool, PARTITIONS, keys_on(pool)) as store:
        users = [uuid4() for _ in range(callers)]
        await _rate(store, users)  # Makes the keys, and warms everything up.
        for _ in range(ROUNDS):
            sealed.append(await _rate(store, users))
            with _in_the_clear():
                clear.append(await _rate(store, users))
    return Measurement(
        situation=f"{callers} callers",
        unit="commands/s",
        ours=statistics.median(sealed),
        peers={CLEAR: statistics.median(clear)},
        targets=(Target(peer=CLEAR, ratio=1 / COST_MAX),),
    )


async def _rate(store: EventStore, users: list[UUID]) -> float:
    return await rate([lambda user_id=user_id: _upload(store, user_id) for user_id in users], SECONDS)  # type: ignore[misc]  # each caller its own user


async def _upload(store: EventStore, user_id: UUID) -> None:
    file_id = uuid4()
    uploaded = FileUploaded(
        file_id=file_id,
        user_id=user_id,
        filename="Interview with somebody.wav",
        media_key=f"media/{user_id}/{file_id}/{'ab' * 32}",
        media_sha256="ab" * 32,
        size_bytes=1_000_000,
        duration_seconds=59.0,
        uploaded_at=datetime.now(UTC),
    )
    await store.append([stream(MEDIA_FILE.stream_id(file_id), user_id, [uploaded])], provenance_of(user_id))


@contextmanager
def _in_the_clear() -> Iterator[None]:
    """As before there were keys: no product code can be told to do that."""
    ours = {name: vars(appending)[name] for name in ("encode", "says_personal")}
    vars(appending).update(encode=_unsealed, says_personal=lambda _: False)
    try:
        yield
    finally:
        vars(appending).update(ours)


_ENCODER: Final = msgspec.json.Encoder()


def _unsealed(event: Event, _version: int = 0, _key: PersonKey | None = None) -> bytes:
    return _ENCODER.encode(event)

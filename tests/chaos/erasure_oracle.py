"""Whether those who asked to be erased are, and nothing of them is left."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from domain.log import LogRecord
from domain.ports import ObjectStore
from schemas.events import opened
from schemas.sealing import BLIND
from tests.chaos.oracle import Check, check, records_of
from tests.end_to_end.database import Database
from tests.end_to_end.story import Log

LEFT = """
select 'credentials' as place from credentials where user_id = $1 and (email is not null or erased_at is null)
union all select 'key' from person_keys where owner_id = $1 and erased_at is null
union all select 'no key, not even an erased one' where not exists (select from person_keys where owner_id = $1)
union all select 'users' from read.users where id = $1
union all select 'quota' from read.quota where user_id = $1
union all select 'files' from read.files where user_id = $1
union all select 'transcriptions' from read.transcriptions where user_id = $1
union all select 'spoken' from read.spoken where user_id = $1
union all select 'passages' from read.spoken_passages where user_id = $1
union all select 'answers' from idempotency_keys where owner_id = $1
union all select 'known_sources' from known_sources where user_id = $1
union all select 'api_key_uses' from api_key_uses where user_id = $1
"""


async def check_erasures(log: Log, database: Database, objects: ObjectStore) -> list[Check]:
    events: dict[UUID, list[LogRecord]] = defaultdict(list)
    for record in records_of(log):
        events[record.owner_id].append(record)
    leaving = {
        owner_id: of_owner
        for owner_id, of_owner in events.items()
        if any(record.type == "UserErasureRequested" for record in of_owner)
    }
    rows = [
        f"{owner_id}: {row['place']}"
        for owner_id in leaving
        for row in await database.fetch(LEFT, owner_id)
    ]
    return [
        check(
            "who asked for it is erased once, and that is the last of them",
            len(leaving),
            (str(owner_id) for owner_id, of_owner in leaving.items() if not _ends_well(of_owner)),
        ),
        check("no row of who was erased is left", len(leaving), rows),
        await _check_objects(leaving, objects),
    ]


def _ends_well(events: list[LogRecord]) -> bool:
    types = [record.type for record in events]
    return (
        types[-1] == "UserErased" and types.count("UserErased") == types.count("UserErasureRequested") == 1
    )


async def _check_objects(leaving: dict[UUID, list[LogRecord]], objects: ObjectStore) -> Check:
    named = [key for of_owner in leaving.values() for record in of_owner for key in _keys_in(record)]
    left = [key for key in named if await objects.exists(key)]
    return check("no object of who was erased is left", len(named), left)


def _keys_in(record: LogRecord) -> Iterator[str]:
    event: Any = opened(record, BLIND)
    match record.type:
        case "FileUploaded":
            yield event.media_key
        case "TranscriptionRequested" if event.job.instructions_key:
            yield event.job.instructions_key
        case "TranscriptionCompleted":
            yield event.result.transcript_key
        case "TranscriptEdited" | "TranscriptAligned":
            yield event.transcript_key

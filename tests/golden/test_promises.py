"""What evidence and erasures promise holds for a log that was stored in the clear, too."""

from pathlib import Path
from uuid import UUID

import msgspec
import pytest

from cli.migrations import migrate_database
from commands.request_erasure import request_erasure
from dispatcher.erasing import Eraser, ErasureLimits
from dispatcher.erasures import PostgresErasures
from dispatcher.ports import Leaving
from domain.errors import PersonErased
from domain.log import Provenance
from domain.user import USER, RequestErasure
from evidence.tables import migrate_evidence_tables
from infrastructure.clock import SystemClock
from infrastructure.object_store.folder import FolderObjectStore
from infrastructure.postgres.clear_events import kept_in_the_clear
from infrastructure.postgres.credentials import PostgresCredentials
from infrastructure.postgres.errors import OUTAGES
from infrastructure.postgres.store import PostgresEventStore
from tests.builders import NOON
from tests.evidence.logs import SealedLog
from tests.evidence.test_commands import stenolog
from tests.golden.earlier import BEFORE, CLEAR, Earlier
from tests.keys import keys_on

PROVENANCE = Provenance(actor="a test", correlation_id=UUID(int=1))


async def test_of_who_is_erased_already_nothing_is_kept(earlier: Earlier) -> None:
    erased = UUID(next(row["owner_id"] for row in CLEAR if row["type"] == "UserRegistered"))
    keys = keys_on(earlier.pool)
    await keys.erase(erased)
    await earlier.seal()
    async with PostgresEventStore(earlier.pool, BEFORE.partition_count, keys) as store:
        [registered] = await store.read_stream(USER.stream_id(erased))
        assert registered == msgspec.structs.replace(registered, email="")
    assert await earlier.pool.fetchval(
        "select wrapped is null from person_keys where owner_id = $1", erased
    )


async def test_what_evidence_shows_stays_as_it_is_until_the_evidence_is_given_up(earlier: Earlier) -> None:
    shown = [row for row in CLEAR if row["seq"] <= 3]
    outcome = await earlier.seal(covered=3)
    assert (outcome.kept, outcome.sealed) == (len(shown), len(CLEAR) - len(shown))
    assert await earlier.clear() == len(shown)
    assert (await earlier.seal(covered=200)).kept == len(shown)
    partition = shown[0]["partition"]
    kept = await kept_in_the_clear(earlier.pool, partition)
    assert [kept.has(seq) for seq in (3, 4)] == [True, False]
    outcome = await earlier.seal(covered=0)
    assert (outcome.kept, outcome.sealed, await earlier.clear()) == (0, len(shown), 0)


async def test_a_migration_says_what_evidence_keeps_in_the_clear_and_seals_it_once_that_is_given_up(
    earlier: Earlier, capsys: pytest.CaptureFixture[str]
) -> None:
    await migrate_evidence_tables(earlier.settings)
    partition = CLEAR[0]["partition"]
    await earlier.pool.execute(
        "insert into evidence_checkpoints (partition, previous_size, size, root, note, sealed_at) "
        "values ($1, 0, 3, sha256('root'), 'a note', now())",
        partition,
    )
    shown = sum(row["partition"] == partition and row["seq"] <= 3 for row in CLEAR)
    for _ in range(2):
        await migrate_database(earlier.settings)
        assert (
            f"personal fields: {shown} events stay in the clear, since evidence" in capsys.readouterr().out
        )
        assert await earlier.clear() == shown
    await earlier.pool.execute("truncate evidence_checkpoints, evidence_refusals")
    await migrate_database(earlier.settings)
    assert f"personal fields: sealed in {shown} events of before\n" in capsys.readouterr().out
    assert await earlier.clear() == 0


async def test_evidence_that_is_made_after_it_verifies(earlier: Earlier, tmp_path: Path) -> None:
    await migrate_database(earlier.settings)
    partitions = range(BEFORE.partition_count)
    async with PostgresEventStore(earlier.pool, len(partitions), keys_on(earlier.pool)) as store:
        folder = tmp_path / "objects"
        objects = FolderObjectStore(folder)
        await objects.prepare()
        log = SealedLog(earlier.url, earlier.pool, store, objects, folder)
        log.installation_id = await log.tables.installation_id()
        for each in partitions:
            await log.tables.add_keys(each, [log.signing_key(each).verifier])
        await log.seal(*partitions)
        answer = await stenolog(log, tmp_path, "verify")
    assert answer.code == 0, answer.said
    assert f"verified {len(BEFORE.log)} events in" in answer.output


async def test_whoever_is_in_it_can_be_erased(earlier: Earlier, tmp_path: Path) -> None:
    await migrate_database(earlier.settings)
    registered = next(row for row in CLEAR if row["type"] == "UserRegistered")
    user_id, email = UUID(registered["owner_id"]), msgspec.json.decode(registered["data"])["email"]
    insert_credentials = "insert into credentials (user_id, email, password_hash) values ($1, $2, 'hash')"
    await earlier.pool.execute(insert_credentials, user_id, email)
    keys, objects = keys_on(earlier.pool), FolderObjectStore(tmp_path)
    await objects.prepare()
    async with PostgresEventStore(earlier.pool, BEFORE.partition_count, keys) as store:
        credentials = PostgresCredentials(earlier.pool, BEFORE.partition_count, store.announce, keys)
        await request_erasure(
            RequestErasure(user_id=user_id, requested_at=NOON), credentials, store, PROVENANCE
        )
        limits = ErasureLimits(settle_seconds=0.0, again_seconds=0.01)
        erasures = PostgresErasures(earlier.pool)
        eraser = Eraser(erasures, store, objects, keys, SystemClock(), limits=limits, outages=OUTAGES)
        assert await eraser.erase(Leaving(user_id, 1_000.0))
        [first, *_] = await store.read_stream(USER.stream_id(user_id))
        assert first == msgspec.structs.replace(first, email="")
        with pytest.raises(PersonErased):
            await keys.provide(user_id)
    models = await earlier.made_of_it()
    assert models["users"]
    assert str(user_id) not in str(models)

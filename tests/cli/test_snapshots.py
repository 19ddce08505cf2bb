"""`stenolog events verify-snapshots` finds what is not what the log is folded to."""

from pathlib import Path
from uuid import uuid4

import asyncpg
import msgspec
import pytest

from domain.log import StreamHead
from domain.quota import QUOTA, Quota
from domain.snapshots import Snapshot
from infrastructure.postgres.pool import create_pool
from infrastructure.postgres.snapshots import SnapshotTable
from schemas.snapshots import snapshot_of
from tests.cli.auditors import stenolog
from tests.cli.stories import Story, Teller


async def head_of(url: str, stream_id: str) -> StreamHead:
    connection = await asyncpg.connect(url)
    try:
        row = await connection.fetchrow(
            "select version, event_id from events where stream_id = $1 order by version desc limit 1",
            stream_id,
        )
    finally:
        await connection.close()
    assert row is not None
    return StreamHead(row["version"], row["event_id"])


async def snapshot(url: str, story: Story, state: Quota) -> Snapshot:
    stream_id = QUOTA.stream_id(story.owner_id)
    return snapshot_of(QUOTA, stream_id, await head_of(url, stream_id), state)


async def write(url: str, snapshot: Snapshot) -> None:
    async with await create_pool(url, size_max=1) as pool:
        await SnapshotTable(pool, 10.0).write(snapshot)


async def true_state(url: str, story: Story, folder: Path) -> Quota:
    answer = await stenolog(url, folder, "replay", "--json", QUOTA.stream_id(story.owner_id))
    return msgspec.convert(msgspec.json.decode(answer.output)["state"], Quota)


async def test_a_good_snapshot_is_good(
    teller: Teller, migrated_url: str, auditor_url: str, tmp_path: Path
) -> None:
    story = await teller.tell()
    assert (await stenolog(auditor_url, tmp_path, "verify-snapshots")).output == "snapshots: none\n"
    await write(
        migrated_url, await snapshot(migrated_url, story, await true_state(auditor_url, story, tmp_path))
    )
    answer = await stenolog(auditor_url, tmp_path, "verify-snapshots")
    assert (answer.code, answer.output) == (0, "snapshots: 1 good\n")


@pytest.mark.parametrize("verdict", ["damaged", "differs", "not of this log", "other rules"])
async def test_a_snapshot_that_is_not_what_the_log_says_is_named(
    teller: Teller, migrated_url: str, auditor_url: str, tmp_path: Path, *, verdict: str
) -> None:
    story = await teller.tell()
    state = await true_state(auditor_url, story, tmp_path)
    good = await snapshot(migrated_url, story, state)
    bad = {
        "damaged": msgspec.structs.replace(good, state=good.state + b" "),
        "differs": await snapshot(migrated_url, story, Quota(minutes_granted=1_000_000)),
        "not of this log": snapshot_of(
            QUOTA, good.stream_id, StreamHead(good.head.version, uuid4()), state
        ),
        "other rules": msgspec.structs.replace(good, rules="0" * 64),
    }
    await write(migrated_url, bad[verdict])
    answer = await stenolog(auditor_url, tmp_path, "verify-snapshots")
    assert answer.code == (0 if verdict == "other rules" else 3), answer
    assert answer.output.splitlines()[-1] == f"snapshots: 1 {verdict}"
    assert verdict == "other rules" or f"the snapshot of {good.stream_id} at version" in answer.output
    as_json = await stenolog(auditor_url, tmp_path, "verify-snapshots", "--json")
    assert msgspec.json.decode(as_json.output)["verdict"] == verdict

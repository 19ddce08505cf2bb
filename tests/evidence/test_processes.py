"""Real sealing processes: killed, doubled and given the wrong key, they publish nothing that is not true."""

import asyncio
from base64 import b64decode, b64encode
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from embedded.product import Process
from evidence.checkpoints import verified_checkpoint
from infrastructure.settings import Settings
from schemas.checkpoints import EvidenceCheckpoint
from schemas.topics import Topics
from tests.asyncapi import breaches
from tests.evidence.logs import PARTITION_COUNT, SealedLog
from tests.evidence.trees import Tree
from tests.infrastructure.kafka.messages import committed, fresh_topics, until
from tests.relay.test_processes import running
from tests.stack.processes import run_to_its_end

SEED = b64encode(b"k" * 32).decode()
OTHER_SEED = b64encode(b"o" * 32).decode()


@pytest.fixture
async def settings(log: SealedLog, kafka: str) -> Settings:
    topics = await fresh_topics(kafka, PARTITION_COUNT)
    return Settings(
        database_url=log.url,
        kafka_bootstrap=kafka,
        topic_prefix=topics.prefix,
        partitions=PARTITION_COUNT,
        object_store=log.folder.as_uri(),
        lease_seconds=0.9,
        seal_seconds=0.05,
        seal_keys=f"test:{SEED}",
    )


async def until_sealed(log: SealedLog, size: int, partition: int = 0) -> None:
    async def is_sealed() -> bool:
        latest = await log.tables.latest(partition)
        return latest is not None and latest.size >= size

    await until(is_sealed)


async def test_processes_that_are_killed_again_and_again_publish_a_chain_of_true_checkpoints(
    log: SealedLog, settings: Settings, tmp_path: Path
) -> None:
    processes = [Process("seal", settings, tmp_path / f"{name}.log") for name in ("first", "second")]
    async with running(*processes):
        for round_ in range(1, 5):
            await asyncio.gather(log.append(170), log.append(130, partition=1))
            await until_sealed(log, 170 * round_ - 169)
            process = processes[round_ % 2]
            process.kill()
            await process.wait()
            await process.start()
        await until_sealed(log, 680)
        await until_sealed(log, 520, partition=1)
        await require_told(log, settings)
    for partition in range(PARTITION_COUNT):
        await log.require_published(partition)


async def require_told(log: SealedLog, settings: Settings) -> None:
    """Every message is as the document says, and a checkpoint of this log, and the last one is there."""
    topic = Topics(settings.topic_prefix).evidence

    async def all_is_told() -> bool:
        return not [each for at in range(PARTITION_COUNT) for each in await log.tables.untold(at)]

    await until(all_is_told)
    messages = await committed(settings.kafka_bootstrap, topic)
    assert list(breaches("evidence", messages)) == []
    for partition in range(PARTITION_COUNT):
        tree = Tree(await log.entries(partition))
        told = [
            msgspec.json.decode(each.value, type=EvidenceCheckpoint)
            for each in messages
            if each.partition == partition
        ]
        assert [each.size for each in told] == sorted(each.size for each in told)
        assert told[-1].size == len(tree.leaves)
        for each in told:
            checkpoint = verified_checkpoint(each.note, [log.signing_key(partition).verifier])
            assert (checkpoint.size, checkpoint.root) == (each.size, b64decode(each.root))
            assert checkpoint.root == tree.root_of((0, each.size))


async def test_a_process_with_an_unknown_key_ends_with_one_line_until_the_loss_is_owned(
    log: SealedLog, settings: Settings, tmp_path: Path
) -> None:
    strange = replace(settings, seal_keys=f"strange:{OTHER_SEED}")
    ended = await run_to_its_end(strange, "evidence")
    assert ended.code == 2
    [line] = ended.lines
    assert line.startswith("STENOLOG_SEAL_KEYS: none of its keys (strange) has signed")
    await log.append(3)
    async with running(
        Process("seal", replace(settings, seal_keys=f"new:{OTHER_SEED},test:{SEED}"), tmp_path / "log")
    ):
        await until_sealed(log, 3)
    assert len(await log.tables.keys(0)) == 2
    assert (await run_to_its_end(replace(settings, seal_keys=""), "evidence")).code == 2
    async with running(Process("seal", strange, tmp_path / "log")):
        """The new key has signed, so that the old one is needed no more."""
        await log.append(3)
        await until_sealed(log, 6)


async def test_a_partition_that_stands_still_is_told_of_until_it_goes_on(
    log: SealedLog, settings: Settings, tmp_path: Path
) -> None:
    await log.append(3)
    await log.seal()
    await log.tamper("update events set actor = 'x' || actor")

    async def is_refused() -> bool:
        return bool(await log.pool.fetchval("select count(*) from evidence_refusals where partition = 0"))

    async def is_settled() -> bool:
        return not await is_refused()

    process = Process("seal", settings, tmp_path / "log")
    async with running(process):
        await until(is_refused)
        reason = await log.pool.fetchval("select reason from evidence_refusals")
        assert "event 3 is not the one that was sealed under this number" in reason
    await log.tamper("update events set actor = substr(actor, 2)")
    async with running(process):
        await until(is_settled)

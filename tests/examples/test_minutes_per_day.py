"""A consumer in another client counts each event once, whatever is killed, and says in one line what keeps it from that."""

import sqlite3
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest
from msgspec.structs import replace

from domain.events import Event
from domain.log import LogRecord
from schemas.topics import Topics
from tests import builders as b
from tests.examples.logs import logged, made_anew, until_relayed
from tests.examples.numbers import Day, days_of
from tests.examples.programs import Program
from tests.infrastructure.kafka.messages import fresh_topics, producing, publish, record, send
from tests.projections.lives import lived
from tests.projections.system import fresh_system
from tests.stack.servers import Database

NAME = "minutes_per_day.py"
NEXT_DAY = b.NOON + timedelta(days=1)


@pytest.fixture
async def counting(kafka: str, tmp_path: Path) -> Program:
    return Program(NAME, kafka, await fresh_topics(kafka), tmp_path / "minutes.sqlite")


def story() -> list[LogRecord]:
    """Two days of one partition."""
    told: list[Event] = [
        b.requested(), b.started(), b.completed(), b.debited(2), b.failed(), b.cancelled(),
        replace(b.debited(5), debited_at=NEXT_DAY), replace(b.completed(), completed_at=NEXT_DAY),
    ]  # fmt: skip
    return [record(seq, event=event) for seq, event in enumerate(told, 1)]


async def published(program: Program, sent: Sequence[LogRecord]) -> None:
    await publish(program.kafka, program.topics, sent)


def days_in(file: Path) -> dict[str, Day]:
    with sqlite3.connect(file) as opened:
        rows = opened.execute("select day, minutes, completed, failed, cancelled from days")
        return {day: Day(*numbers) for day, *numbers in rows}


async def test_it_counts_what_the_log_holds_and_passes_over_what_it_does_not_know(
    counting: Program,
) -> None:
    later = [replace(each, type="Brewed", seq=9) for each in story()[:1]]
    newer = [replace(each, schema_version=2, seq=10) for each in story()[2:3]]
    await published(counting, [*story(), *later, *newer])
    answer = await counting.run()
    assert (answer.code, answer.said) == (0, "")
    assert days_in(counting.target) == days_of(story())
    assert answer.output.splitlines()[1].split() == ["2026-03-01", "2", "1", "1", "1", "0.5000"]
    assert answer.output.splitlines()[-1] == (
        "passed over: Brewed.v2 1, TranscriptionCompleted.v2 1, TranscriptionRequested.v2 1, TranscriptionStarted.v2 1"
    )


async def test_it_goes_on_where_it_was_and_counts_nothing_twice(counting: Program) -> None:
    await published(counting, story()[:5])
    await counting.run()
    await published(counting, [*story()[3:5], *story()[5:]])  # What came before may come again.
    await counting.run()
    await counting.run()
    assert days_in(counting.target) == days_of(story())


async def test_what_was_not_committed_is_not_counted(counting: Program) -> None:
    await published(counting, story()[:4])
    async with producing(counting.kafka, "somebody") as producer:
        await producer.begin_transaction()
        await send(producer, counting.topics, story()[4:])
        await producer.abort_transaction()
    await counting.run()
    assert days_in(counting.target) == days_of(story()[:4])


async def test_a_topic_that_was_made_again_and_filled_is_read_on_without_counting_twice(
    counting: Program,
) -> None:
    async with producing(counting.kafka) as producer:
        for _ in range(4):
            await producer.send_and_wait(counting.topics.events, b"no event", partition=0)
    await published(counting, story()[:5])
    first = await counting.run()
    assert "4 messages are no events: somebody else writes to" in first.output
    await made_anew(counting.kafka, counting.topics)
    log = [*story(), *[record(seq) for seq in range(9, 14)]]
    await published(counting, log)  # Where event 5 was is event 9 now.
    answer = await counting.run()
    assert (answer.code, answer.said) == (0, "")
    assert days_in(counting.target) == days_of(log)
    assert "QuotaGranted 5" in answer.output


async def test_a_topic_that_was_made_again_and_is_not_filled_yet_is_one_line(counting: Program) -> None:
    await published(counting, story())
    await counting.run()
    await made_anew(counting.kafka, counting.topics)
    await published(counting, story()[:3])
    answer = await counting.run()
    assert answer.code == 1
    assert "ends at event 3, and event 8 was read before: if the topic was made again, wait" in answer.said
    assert len(answer.said.splitlines()) == 1


async def test_a_topic_of_another_log_is_one_line(counting: Program) -> None:
    await published(counting, story())
    await counting.run()
    await made_anew(counting.kafka, counting.topics)
    await published(counting, [replace(each, event_id=b.identity(f"{each.seq}")) for each in story()])
    answer = await counting.run()
    assert answer.code == 1
    assert "event 0:8 is another than the one that was read before" in answer.said
    assert len(answer.said.splitlines()) == 1


async def test_events_that_retention_removed_are_named_in_one_line(counting: Program) -> None:
    await published(counting, story()[3:])
    answer = await counting.run()
    assert answer.code == 1
    assert "events 0:1 to 0:3 are not in" in answer.said
    assert len(answer.said.splitlines()) == 1


async def test_a_file_of_another_program_or_topic_is_refused_in_one_line(
    counting: Program, tmp_path: Path
) -> None:
    (tmp_path / "text").write_text("no database at all, and long enough to be looked at" * 20)
    foreign = await replace(counting, target=tmp_path / "text").run()
    assert (foreign.code, len(foreign.said.splitlines())) == (1, 1)
    assert "text cannot be used: file is not a database; name a new file" in foreign.said
    await counting.run()
    other = await replace(counting, topics=Topics("other")).run()
    assert f"is of {counting.topics.events} in format 1: name a new file for other.events.v2" in other.said


async def test_a_missing_topic_is_one_line(counting: Program) -> None:
    nowhere = await replace(counting, topics=Topics("nobody"), target=counting.target).run()
    assert "has no topic nobody.events.v2: give the right one with --topic" in nowhere.said
    assert len(nowhere.said.splitlines()) == 1


@pytest.mark.slow
async def test_killed_again_and_again_it_counts_exactly_what_the_log_holds(
    postgres: Database, kafka: str, tmp_path: Path
) -> None:
    async with fresh_system(postgres, kafka, tmp_path) as system:
        topics = Topics(system.settings.topic_prefix)
        counting = Program(NAME, kafka, topics, tmp_path / "minutes.sqlite")
        await system.start("relay")
        chance = Random(20261127)
        for round_ in range(6):
            await lived(system.store, [f"user {round_} {each}" for each in range(16)])
            await counting.killed_at_random(chance, "--follow")
        await until_relayed(system)
        assert (await counting.run()).code == 0
        assert days_in(counting.target) == days_of(await logged(system))

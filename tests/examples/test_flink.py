"""The Flink job computes the numbers of the log."""

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import NewTopic
from msgspec.structs import replace

from domain.events import Event
from domain.log import LogRecord
from tests import builders as b
from tests.examples.flink import FOLDER, provided_flink, run_sql
from tests.examples.numbers import Day, days_of
from tests.infrastructure.kafka.messages import (
    administering,
    committed,
    fresh_topics,
    producing,
    publish,
    record,
    send,
)
from tests.projections.lives import ENDS, life

pytestmark = pytest.mark.slow

NAMES = {"localhost:9092", "stenolog.events.v2", "analytics.days.v1"}
"""What a reader of the job has to change."""
NEXT_DAY = b.NOON + timedelta(days=1)


@pytest.fixture(scope="module")
def flink() -> list[Path]:
    return provided_flink()


def story() -> list[LogRecord]:
    """Two lives of each kind on one day, and some of the next."""
    events: list[Event] = [
        event
        for number in range(2)
        for end in ENDS
        for step in life(f"{end} {number}", end)
        for event in step
    ]
    events += [replace(b.debited(5), debited_at=NEXT_DAY), replace(b.completed(), completed_at=NEXT_DAY)]
    return [record(seq, event=event) for seq, event in enumerate(events, 1)]


def adapted(names: Mapping[str, str]) -> str:
    """The job with other names, which ends where the topic does, and is waited for."""
    sql = (FOLDER / "minutes_per_day.sql").read_text()
    for name, ours in names.items():
        assert name in sql
        sql = sql.replace(name, ours)
    bounded = "'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset'"
    assert "'scan.startup.mode' = 'earliest-offset'" in sql
    return "SET 'table.dml-sync' = 'true';\n" + sql.replace(
        "'scan.startup.mode' = 'earliest-offset'", bounded
    )


async def test_minutes_and_failure_rates_are_those_of_the_log(
    flink: list[Path], kafka: str, tmp_path: Path
) -> None:
    topics, days = await fresh_topics(kafka), f"{tmp_path.name}-days"
    async with administering(kafka) as admin:
        await admin.create_topics([NewTopic(days, 1, 1, topic_configs={"cleanup.policy": "compact"})])
    log = story()
    await publish(kafka, topics, log)
    await publish(kafka, topics, log[:20])  # As when the topic was lost and is filled again.
    await publish(
        kafka, topics, [replace(each, schema_version=2, seq=each.seq + 1_000) for each in log[:30]]
    )
    async with producing(kafka, "somebody") as producer:
        await producer.begin_transaction()
        await send(producer, topics, [replace(each, seq=each.seq + 2_000) for each in log])
        await producer.abort_transaction()
    script = tmp_path / "job.sql"
    script.write_text(adapted(dict(zip(sorted(NAMES), [days, kafka, topics.events], strict=True))))
    answer = await run_sql(flink, script)
    assert answer.code == 0, answer.output[-2_000:] + answer.said[-2_000:]
    rows = latest(await committed(kafka, days))
    expected = days_of(log)
    assert {day: as_day(row) for day, row in rows.items()} == expected
    assert {day: row["failure_rate"] for day, row in rows.items()} == {
        day: numbers.failure_rate for day, numbers in expected.items()
    }


def latest(messages: Any) -> Mapping[str, Mapping[str, Any]]:
    return {json.loads(each.key)["day"]: json.loads(each.value) for each in messages}


def as_day(row: Mapping[str, Any]) -> Day:
    return Day(**{name: row[name] for name in Day.__struct_fields__})

"""`stenolog events trace`: causes before what they caused, and nothing of other requests."""

from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from msgspec.structs import replace

from cli.causes import tree_of
from domain.log import LogRecord
from tests.builders import NOON
from tests.cli.auditors import stenolog
from tests.cli.stories import Story, Teller

WHOLE = [
    (0, None, "TranscriptionRequested"),
    (1, "request", "QuotaReserved"),
    (1, "stream", "TranscriptionStarted"),
    (2, "stream", "TranscriptionCompleted"),
    (3, "request", "QuotaDebited"),
]


async def trace(url: str, folder: Path, asked: object) -> list[tuple[int, str | None, str]]:
    answer = await stenolog(url, folder, "trace", "--json", str(asked))
    assert answer.code == 0, answer
    nodes: list[dict[str, Any]] = [msgspec.json.decode(line) for line in answer.output.splitlines()]
    return [(node["depth"], node["because"], node["event"]["type"]) for node in nodes]


@pytest.mark.parametrize("name", ["request_id", "transcription_id", "address"])
async def test_a_request_is_traced_to_its_end_by_whatever_names_it(
    teller: Teller, auditor_url: str, tmp_path: Path, name: str
) -> None:
    story: Story = await teller.tell()
    await teller.tell()
    asked = story.addresses["requested"] if name == "address" else getattr(story, name)
    assert await trace(auditor_url, tmp_path, asked) == WHOLE


async def test_a_tree_is_readable(teller: Teller, auditor_url: str, tmp_path: Path) -> None:
    story = await teller.tell()
    answer = await stenolog(auditor_url, tmp_path, "trace", str(story.transcription_id))
    told = [line[25:] for line in answer.output.splitlines()[::2]]
    assert told[0].startswith("requested for file ")
    assert told[1].startswith("   and with it: 2 minutes reserved")
    assert told[3].startswith("      then: attempt 1 completed: 12 words in en")


@pytest.mark.parametrize(
    ("asked", "code", "told"),
    [
        ("00000000-0000-4000-8000-000000000000", 1, "no event has the correlation 00000000-"),
        ("0:99", 1, "there is no event 0:99"),
        ("what", 2, "'what' is neither a correlation nor an address"),
    ],
)
async def test_what_cannot_be_traced_is_said_in_a_line(
    teller: Teller, auditor_url: str, tmp_path: Path, *, asked: str, code: int, told: str
) -> None:
    await teller.tell()
    answer = await stenolog(auditor_url, tmp_path, "trace", asked)
    assert (answer.code, answer.output) == (code, "")
    assert told in answer.said.splitlines()[-1]


def record(seq: int, *, causation_id: UUID | None = None, event_id: UUID | None = None) -> LogRecord:
    return LogRecord(
        partition=0,
        seq=seq,
        type="QuotaGranted",
        schema_version=1,
        data=b"{}",
        stream_id=f"quota-{seq}",
        version=1,
        owner_id=uuid4(),
        event_id=event_id or uuid4(),
        recorded_at=NOON + timedelta(seconds=seq),
        actor="anna",
        correlation_id=uuid4(),
        causation_id=causation_id,
        request_id=None,
        traceparent=None,
    )


def test_an_event_that_names_its_cause_is_believed() -> None:
    first = record(1)
    other = record(2)
    last = record(3, causation_id=first.event_id)
    tree = tree_of([first, other, last])
    assert [(node.record.seq, node.depth, node.because) for node in tree] == [
        (1, 0, None),
        (3, 1, "causation"),
        (2, 0, None),
    ]


def test_what_one_cause_made_happen_at_once_stands_together() -> None:
    first = record(1)
    second = record(2, causation_id=first.event_id)
    with_it = replace(second, seq=3, event_id=uuid4(), stream_id="quota-3")
    tree = tree_of([first, second, with_it])
    assert [(node.record.seq, node.depth, node.because) for node in tree] == [
        (1, 0, None),
        (2, 1, "causation"),
        (3, 2, "request"),
    ]


def test_events_that_name_each_other_as_their_cause_make_no_circle() -> None:
    one, other = uuid4(), uuid4()
    tree = tree_of(
        [record(1, event_id=one, causation_id=other), record(2, event_id=other, causation_id=one)]
    )
    assert [(node.record.seq, node.depth) for node in tree] == [(1, 0), (2, 1)]

"""`stenolog events show` and `replay`, run by somebody who may only read."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import click
import msgspec
import pytest

from cli.moments import MOMENT, Moment, moment_of
from domain.log import Address
from tests.cli.auditors import Answer, stenolog
from tests.cli.stories import Story, Teller


def one_line(answer: Answer) -> str:
    [line] = answer.said.splitlines()
    return line


async def states(url: str, folder: Path, *arguments: str) -> dict[str, dict[str, Any]]:
    """By category."""
    answer = await stenolog(url, folder, "replay", "--json", *arguments)
    assert answer.code == 0, answer
    told = [msgspec.json.decode(line) for line in answer.output.splitlines()]
    return {each["stream_id"].partition("-")[0]: each for each in told}


async def test_the_timeline_of_a_person_has_all_that_is_recorded_of_them_and_nothing_of_others(
    teller: Teller, auditor_url: str, tmp_path: Path
) -> None:
    story = await teller.tell()
    other = await teller.tell(type(story.owner_id)(int=story.owner_id.int + (1 << 64)))
    assert other.partition == story.partition
    answer = await stenolog(auditor_url, tmp_path, "show", str(story.owner_id))
    assert answer.code == 0, answer
    lines = answer.output.splitlines()
    assert [line[14:].split(":")[0].split(" ")[0] for line in lines[1::3]] == [
        "registered", "60", "uploaded", "requested", "2", "attempt", "attempt", "2",
    ]  # fmt: skip
    assert "registered as (sealed)" in answer.output
    assert str(other.owner_id) not in answer.output
    assert answer.said == ""


async def test_a_stream_is_shown_alone_and_with_what_its_requests_did_elsewhere(
    teller: Teller, auditor_url: str, tmp_path: Path
) -> None:
    story = await teller.tell()
    alone = await stenolog(auditor_url, tmp_path, "show", "--json", str(story.transcription_id))
    related = await stenolog(
        auditor_url, tmp_path, "show", "--json", "--related", str(story.transcription_id)
    )
    assert [msgspec.json.decode(line)["type"] for line in alone.output.splitlines()] == [
        "TranscriptionRequested",
        "TranscriptionStarted",
        "TranscriptionCompleted",
    ]
    assert {msgspec.json.decode(line)["type"] for line in related.output.splitlines()} == {
        "TranscriptionRequested",
        "TranscriptionStarted",
        "TranscriptionCompleted",
        "QuotaReserved",
        "QuotaDebited",
    }


async def test_a_state_and_the_quota_are_those_of_the_moment_that_is_asked_for(
    teller: Teller, auditor_url: str, tmp_path: Path
) -> None:
    story = await teller.tell()
    name = str(story.transcription_id)
    before = await states(auditor_url, tmp_path, name, "--until", str(story.addresses["uploaded"]))
    waiting = await states(auditor_url, tmp_path, name, "--until", str(story.addresses["requested"]))
    after = await states(auditor_url, tmp_path, name)
    assert [each["transcription"]["state"]["status"] for each in (before, waiting, after)] == [
        "absent",
        "queued",
        "completed",
    ]
    minutes = [
        (each["quota"]["state"]["minutes_available"], each["quota"]["state"]["minutes_reserved"])
        for each in (before, waiting, after)
    ]
    assert minutes == [(60, 0), (58, 2), (58, 0)]


async def test_a_time_stands_for_what_was_recorded_by_then(
    teller: Teller, auditor_url: str, migrated_url: str, tmp_path: Path
) -> None:
    story = await teller.tell()
    connection = await asyncpg.connect(migrated_url)
    recorded_at = await connection.fetchval(
        "select recorded_at from events where partition = $1 and seq = $2",
        story.partition,
        story.addresses["requested"].seq,
    )
    await connection.close()
    just_before = recorded_at - timedelta(microseconds=1)
    name = str(story.transcription_id)
    by_then = await states(auditor_url, tmp_path, name, "--until", recorded_at.isoformat())
    before = await states(auditor_url, tmp_path, name, "--until", just_before.isoformat())
    assert by_then["transcription"]["state"]["status"] == "queued"
    assert before["transcription"]["state"]["status"] == "absent"


async def test_a_difference_names_what_changed_between_two_moments(
    teller: Teller, auditor_url: str, tmp_path: Path
) -> None:
    story = await teller.tell()
    moments = str(story.addresses["requested"]), str(story.addresses["completed"])
    answer = await stenolog(
        auditor_url, tmp_path, "replay", "--diff", *moments, str(story.transcription_id)
    )
    assert answer.code == 0, answer
    lines = [line.split() for line in answer.output.splitlines()]
    assert ["status", "queued", "→", "completed"] in lines
    assert ["minutes_debited", "0", "→", "2"] in lines
    assert not [line for line in lines if line[0].startswith("job.")]
    nothing = await stenolog(
        auditor_url, tmp_path, "replay", "--diff", moments[0], moments[0], str(story.owner_id)
    )
    assert nothing.output.count("nothing changed") == 2


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["replay", "quota-of-nobody"], 1, "the log has no stream quota-of-nobody"),
        (["show", "00000000-0000-0000-0000-000000000000"], 1, "the log has no stream 00000000"),
        (["replay", "STREAM", "--until", "yesterday"], 2, "'yesterday' is neither a time nor an address"),
        (["replay", "STREAM", "--until", "9:1"], 1, "there is no partition 9: the log has 0 to 3"),
        (["replay", "STREAM", "--until", "HERE:99"], 1, "there is no event HERE:99: partition HERE has 1 to 8"),
        (["replay", "STREAM", "--until", "THERE:1"], 1, "is in another partition than transcription-"),
        (["replay", "STREAM", "--until", "1:1", "--diff", "1:1", "1:2"], 2, "--until or --diff, and not both"),
    ],
)  # fmt: skip
async def test_what_cannot_be_replayed_is_said_in_a_line(
    teller: Teller, auditor_url: str, tmp_path: Path, *, arguments: list[str], code: int, told: str
) -> None:
    story = await teller.tell()
    await teller.tell(type(story.owner_id)(int=story.owner_id.int ^ 1))
    names = {
        "STREAM": f"transcription-{story.transcription_id}",
        "THERE": str(story.partition ^ 1),
        "HERE": str(story.partition),
    }
    for name, value in names.items():
        arguments = [each.replace(name, value) for each in arguments]
        told = told.replace(name, value)
    answer = await stenolog(auditor_url, tmp_path, *arguments)
    assert (answer.code, answer.output) == (code, "")
    assert told in answer.said.splitlines()[-1]
    assert "Traceback" not in answer.said


async def tampered(url: str, story: Story, changes: str) -> None:
    """As somebody who got past all triggers."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("set session_replication_role = replica")
        await connection.execute(
            f"update events set {changes} where stream_id = $1 and version = 2",
            f"transcription-{story.transcription_id}",
        )
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ("schema_version = 99", "unknown event type TranscriptionStarted version 99: run a newer Stenolog"),
        (
            "type = 'TranscriptionSold', schema_version = 1",
            "unknown event type TranscriptionSold version 1",
        ),
        ("data = 'no json'", "`stenolog events verify` tells whether it is what was written"),
        ("data = '{}'", "missing required field `transcription_id`"),
        (
            "type = 'QuotaGranted', schema_version = 1, data = (select data from events where type = 'QuotaGranted' limit 1)",
            "QuotaGranted is no event of a transcription",
        ),
    ],
)
async def test_an_event_that_cannot_be_read_ends_a_replay_with_its_address_and_is_shown_as_it_is(
    teller: Teller, auditor_url: str, migrated_url: str, tmp_path: Path, *, changes: str, told: str
) -> None:
    story = await teller.tell()
    await tampered(migrated_url, story, changes)
    answer = await stenolog(auditor_url, tmp_path, "replay", str(story.transcription_id))
    assert answer.code == 1
    assert told in one_line(answer)
    assert f"event {story.addresses['started']} cannot be read" in answer.said
    for form in ([], ["--json"]):
        shown = await stenolog(auditor_url, tmp_path, "show", str(story.transcription_id), *form)
        assert shown.code == 0, shown
        assert "attempt 1 completed" in shown.output or form


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("3:17", Moment(address=Address(3, 17))),
        ("2026-11-27", Moment(at=datetime(2026, 11, 27, tzinfo=UTC))),
        ("2026-11-27T12:00Z", Moment(at=datetime(2026, 11, 27, 12, tzinfo=UTC))),
        ("2026-11-27T14:00+02:00", Moment(at=datetime(2026, 11, 27, 12, tzinfo=UTC))),
    ],
)
def test_a_moment_is_a_time_or_an_address(text: str, moment: Moment) -> None:
    assert moment_of(text) == moment


@pytest.mark.parametrize("text", ["", "x", "3:", ":3", "3:-1", "٣:١", "2026-13-01", "12", "3:17:1"])
def test_what_is_neither_is_no_moment(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is neither a time nor an address"):
        MOMENT.convert(text, None, None)

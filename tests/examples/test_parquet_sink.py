"""A sink to Parquet holds each event in one row, whatever is killed; `stenolog sink verify` names the first that is not as in the log."""

from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from random import Random

import duckdb
import msgspec
import pytest
import pytest_asyncio
from msgspec.structs import replace

from domain.log import LogRecord
from schemas.topics import Topics
from tests.examples.logs import logged, made_anew, until_relayed
from tests.examples.programs import SECONDS, Program, stenolog
from tests.infrastructure.kafka.messages import fresh_topics, publish, records
from tests.projections.lives import lived
from tests.projections.system import PARTITION_COUNT, System, fresh_system
from tests.stack.servers import Database
from tests.stack.waiting import eventually

NAME = "parquet_sink.py"


@pytest.fixture
async def sinking(kafka: str, tmp_path: Path) -> Program:
    return Program(NAME, kafka, await fresh_topics(kafka), tmp_path / "sink")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def system(
    postgres: Database, kafka: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[System]:
    """One whose log is in Kafka as well."""
    async with fresh_system(postgres, kafka, tmp_path_factory.mktemp("logs")) as fresh:
        await fresh.start("relay")
        await lived(fresh.store, [f"user {each}" for each in range(16)])
        await until_relayed(fresh)
        yield fresh


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def filled(system: System, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds this log. Tests that damage it copy it."""
    folder = tmp_path_factory.mktemp("filled") / "sink"
    topics = Topics(system.settings.topic_prefix)
    answer = await Program(NAME, system.settings.kafka_bootstrap, topics, folder).run()
    assert (answer.code, answer.said) == (0, "")
    return folder


async def published(program: Program, sent: Sequence[LogRecord]) -> None:
    await publish(program.kafka, program.topics, sent)


def rows_in(folder: Path) -> list[tuple[int, int]]:
    """The addresses, in the order in which they stand in the files."""
    files = sorted(str(each) for each in folder.glob("*/*.parquet"))
    query = "select partition, seq from read_parquet($files)"
    return duckdb.connect().execute(query, {"files": files}).fetchall()


async def test_it_goes_on_after_the_last_file_and_leaves_nothing_unfinished(sinking: Program) -> None:
    await published(sinking, records(1, 2, 3))
    await sinking.run()
    (sinking.target / "0" / "unfinished").write_bytes(b"half a file of one that was killed")
    await published(sinking, records(3, 4, 5))  # What came before may come again.
    assert (await sinking.run()).code == 0
    assert rows_in(sinking.target) == [(0, seq) for seq in range(1, 6)]
    assert [each.name for each in sorted((sinking.target / "0").iterdir())] == [
        "000000000001-000000000003.parquet",
        "000000000004-000000000005.parquet",
    ]


async def test_a_topic_that_was_made_again_is_read_on(sinking: Program) -> None:
    await published(sinking, records(1, 2, 3))
    await sinking.run()
    await made_anew(sinking.kafka, sinking.topics)
    await published(sinking, records(1))
    early = await sinking.run()
    assert early.code == 1
    assert "ends at event 1, and event 3 was read before" in early.said
    await published(sinking, records(2, 3, 4))
    assert (await sinking.run()).code == 0
    assert rows_in(sinking.target) == [(0, seq) for seq in range(1, 5)]


async def test_a_folder_with_other_things_in_it_is_left_alone(sinking: Program) -> None:
    sinking.target.mkdir()
    (sinking.target / "thesis.txt").write_text("mine")
    answer = await sinking.run()
    assert answer.code == 1
    assert "is not empty and no sink: name an empty folder, or a new one" in answer.said
    assert [each.name for each in sinking.target.iterdir()] == ["thesis.txt"]


async def test_a_folder_of_another_topic_is_refused(sinking: Program) -> None:
    await sinking.run()
    answer = await replace(sinking, topics=Topics("other")).run()
    assert f"is of {sinking.topics.events}: name another folder for other.events.v2" in answer.said


async def test_a_last_file_that_was_cut_off_and_a_missing_one_are_one_line_each(sinking: Program) -> None:
    for seqs in ((1, 2), (3, 4), (5, 6)):
        await published(sinking, records(*seqs))
        await sinking.run()
    first, second, third = sorted((sinking.target / "0").iterdir())
    whole = third.read_bytes()
    third.write_bytes(whole[:-9])
    cut = await sinking.run()
    assert f"{third} is damaged" in cut.said
    assert "remove it, and start the sink again" in cut.said
    third.write_bytes(whole)
    second.unlink()
    gone = await sinking.run()
    assert f"{third} does not begin after event 2: remove it and the files after it" in gone.said
    assert (len(cut.said.splitlines()), len(gone.said.splitlines())) == (1, 1)
    third.unlink()
    assert (await sinking.run()).code == 0
    assert rows_in(sinking.target) == [(0, seq) for seq in range(1, 7)]
    assert first.exists()


async def test_two_sinks_do_not_write_to_one_folder(sinking: Program) -> None:
    async with sinking.running("--follow"):
        begun = sinking.target / "stenolog-sink.json"
        await eventually(begun.exists, "the first has the folder", SECONDS)
        answer = await sinking.run()
    assert answer.code == 1
    assert f"another sink writes to {sinking.target}: end one of them" in answer.said


async def test_every_row_is_as_in_the_log(system: System, filled: Path) -> None:
    answer = await stenolog(system.settings.database_url, "sink", "verify", str(filled))
    count = len(await logged(system))
    assert (answer.code, answer.output.splitlines()[1:]) == (0, [])
    assert answer.output.startswith(f"compared {count} rows in")
    assert ": all as in the log" in answer.output
    assert len(rows_in(filled)) == count


Damage = Callable[[Path], None]


def rewritten(rows: str) -> Damage:
    """The file of partition 0 with other rows in it."""

    def rewrite(folder: Path) -> None:
        [file] = (folder / "0").glob("*.parquet")
        other = file.with_suffix(".new")
        duckdb.sql(f"copy (select {rows}) to '{other}' (format parquet)".replace("FILE", f"'{file}'"))
        other.rename(file)

    return rewrite


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (
            rewritten("* from FILE where seq <> 3 order by seq"),
            "event 0:3: missing: the row after event 2 is that of event 4",
        ),
        (
            rewritten("* from (from FILE union all from FILE where seq = 3) order by seq"),
            "event 0:3: double: it has two rows",
        ),
        (
            rewritten("* replace (if(seq = 3, data || ' ', data) as data) from FILE order by seq"),
            "event 0:3: changed: data: not what the log has",
        ),
        (
            rewritten("* replace (if(seq = 3, recorded_at + to_microseconds(1), recorded_at) as recorded_at) from FILE order by seq"),
            "event 0:3: changed: recorded_at: not what the log has",
        ),
        (rewritten("* from FILE order by seq limit 3"), "event 0:4: missing: "),
        (
            rewritten("* from (from FILE union all (select * replace (100000 as seq) from FILE limit 1)) order by seq"),
            "event 0:100000: unknown: the log ends at event ",
        ),
    ],
    ids=["missing", "double", "changed", "time", "short", "unknown"],
)  # fmt: skip
async def test_the_first_row_that_is_not_as_in_the_log_is_named(
    system: System, copied: Path, damage: Damage, told: str
) -> None:
    damage(copied)
    answer = await stenolog(system.settings.database_url, "sink", "verify", str(copied))
    assert answer.code == 3
    assert answer.output.startswith(told)


async def test_for_programs_each_partition_is_one_line_of_json(system: System, copied: Path) -> None:
    rewritten("* from FILE where seq <> 3 order by seq")(copied)
    answer = await stenolog(system.settings.database_url, "sink", "verify", "--json", str(copied))
    [first, *others] = [msgspec.json.decode(line) for line in answer.output.splitlines()]
    assert (answer.code, len(others)) == (3, PARTITION_COUNT - 1)
    assert (first["difference"]["seq"], first["difference"]["kind"]) == (3, "missing")
    assert [each["difference"] for each in others] == [None] * len(others)


@pytest.fixture
def copied(filled: Path, tmp_path: Path) -> Path:
    target = tmp_path / "copied"
    for file in filled.rglob("*"):
        if file.is_file():
            place = target / file.relative_to(filled)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(file.read_bytes())
    return target


async def test_what_cannot_be_compared_is_one_line_each(
    system: System, copied: Path, tmp_path: Path
) -> None:
    url = system.settings.database_url
    (tmp_path / "foreign").mkdir()
    foreign = await stenolog(url, "sink", "verify", str(tmp_path / "foreign"))
    [file] = (copied / "0").glob("*.parquet")
    file.write_bytes(file.read_bytes()[:-9])
    cut = await stenolog(url, "sink", "verify", str(copied))
    duckdb.sql(f"copy (select 1 as number) to '{file}' (format parquet)")
    stranger = await stenolog(url, "sink", "verify", str(copied))
    (copied / "0").rename(copied / "17")
    elsewhere = await stenolog(url, "sink", "verify", str(copied))
    answers = {
        f"stenolog: {tmp_path / 'foreign'} is no sink's folder: it has no stenolog-sink.json": foreign,
        f"stenolog: {file} cannot be read (": cut,
        f"stenolog: {file} cannot be read (Binder": stranger,
        "stenolog: the log has no partition 17: is": elsewhere,
    }
    for told, answer in answers.items():
        assert answer.code == 1
        assert next(line for line in answer.said.splitlines() if "comparing:" not in line).startswith(told)
        assert answer.output == ""


async def test_newer_events_are_counted_and_are_no_difference(system: System, copied: Path) -> None:
    for file in (copied / "0").glob("*.parquet"):
        file.unlink()
    answer = await stenolog(system.settings.database_url, "sink", "verify", str(copied))
    assert answer.code == 0
    missing = await system.log.head(0)
    assert f"{missing} newer events of the log are not in the sink yet" in answer.output
    assert answer.output.splitlines()[-1].startswith(f"of partition 0 it has none of {missing} events: ")


@pytest.mark.slow
async def test_killed_again_and_again_it_holds_each_event_once(
    postgres: Database, kafka: str, tmp_path: Path
) -> None:
    async with fresh_system(postgres, kafka, tmp_path) as system:
        sinking = Program(NAME, kafka, Topics(system.settings.topic_prefix), tmp_path / "sink")
        await system.start("relay")
        chance = Random(20261127)
        for round_ in range(6):
            await lived(system.store, [f"user {round_} {each}" for each in range(16)])
            await sinking.killed_at_random(chance, "--follow", "--seconds", "0.05")
        await until_relayed(system)
        assert (await sinking.run()).code == 0
        verdict = await stenolog(system.settings.database_url, "sink", "verify", str(sinking.target))
        assert (verdict.code, verdict.output.splitlines()[1:]) == (0, [])
        assert len(rows_in(sinking.target)) == len(await logged(system))

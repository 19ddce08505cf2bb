"""The events topic as Parquet files, each event in exactly one row.

`python parquet_sink.py --bootstrap HOST:PORT FOLDER` reads up to the end of the topic; with --follow it goes on until it is ended. A file holds a
stretch of one partition and is named after it, `FOLDER/PARTITION/FIRST-LAST.parquet`: so the rename that makes its rows appear also says how far the sink has come, and
there is no moment between the two in which it could be killed. `stenolog sink verify FOLDER` compares the rows with the log.
"""

import argparse
import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Final

import duckdb

from reading import Event, EventReader, Position, Problem, complaining

FORMAT: Final = 1
ABOUT: Final = "stenolog-sink.json"
"""Tells a folder of ours from others."""
UNFINISHED: Final = "unfinished"
EVENTS_MAX: Final = 10_000
POLL_SECONDS: Final = 1.0
WRITE: Final = """
copy (
    select
        unnest($partition::integer[]) as partition, unnest($seq::bigint[]) as seq, unnest($event_id::uuid[]) as event_id,
        unnest($type::varchar[]) as type, unnest($recorded_at::timestamptz[]) as recorded_at, unnest($stream_id::varchar[]) as stream_id,
        unnest($version::integer[]) as version, unnest($owner_id::uuid[]) as owner_id, unnest($actor::varchar[]) as actor,
        unnest($correlation_id::uuid[]) as correlation_id, unnest($causation_id::uuid[]) as causation_id,
        unnest($request_id::varchar[]) as request_id, unnest($traceparent::varchar[]) as traceparent,
        unnest($data::varchar[]) as data, unnest($kafka_offset::bigint[]) as kafka_offset
) to '{path}' (format parquet, compression zstd)
"""
FIELDS: Final = {
    "partition": "partition",
    "seq": "seq",
    "event_id": "id",
    "type": "type",
    "recorded_at": "time",
    "stream_id": "stream",
    "version": "version",
    "owner_id": "user_id",
    "actor": "actor",
    "correlation_id": "correlation_id",
    "causation_id": "causation_id",
    "request_id": "request_id",
    "traceparent": "traceparent",
    "data": "data",
    "kafka_offset": "offset",
}
"""Columns, and what of an event stands in each."""
LAST: Final = (
    "select seq, event_id::varchar, kafka_offset from read_parquet($path) order by seq desc limit 1"
)


class Sink:
    """A folder that nobody else writes to. Methods raise Problem."""

    def __init__(self, folder: Path, topic: str) -> None:
        self._folder = folder
        self._database = duckdb.connect()
        self._require_ours(topic)
        for left in folder.glob(f"*/{UNFINISHED}"):
            left.unlink()

    def positions(self) -> Mapping[int, Position]:
        return {
            int(each.name): self._position(each) for each in self._folder.iterdir() if each.name.isdecimal()
        }

    def add(self, events: Sequence[Event]) -> None:
        """One file for each partition."""
        by_partition = sorted(events, key=attrgetter("partition", "seq"))
        for _, part in groupby(by_partition, key=attrgetter("partition")):
            self._write(list(part))

    def _write(self, events: Sequence[Event]) -> None:
        folder = self._folder / str(events[0].partition)
        folder.mkdir(exist_ok=True)
        unfinished = folder / UNFINISHED
        columns = {column: [getattr(each, field) for each in events] for column, field in FIELDS.items()}
        self._database.execute(WRITE.format(path=quoted(unfinished)), columns)
        flush(unfinished)
        unfinished.rename(folder / f"{events[0].seq:012}-{events[-1].seq:012}.parquet")
        flush(folder)

    def _position(self, folder: Path) -> Position:
        """Of the last row there is, and that there are no others than those before it."""
        reached, last = 0, None
        for file in sorted(folder.glob("*.parquet")):
            first, _, end = file.stem.partition("-")
            if int(first) != reached + 1:
                raise Problem(
                    f"{file} does not begin after event {reached}: remove it and the files after it in {folder}, and "
                    "start the sink again, which writes them anew"
                )
            reached, last = int(end), file
        return Position() if last is None else self._last_row(last, reached)

    def _last_row(self, file: Path, seq: int) -> Position:
        try:
            row = self._database.execute(LAST, {"path": str(file)}).fetchone()
        except duckdb.Error as problem:
            raise Problem(
                f"{file} is damaged ({first_line(problem)}): remove it, and start the sink again"
            ) from problem
        if row is None or row[0] != seq:
            raise Problem(f"{file} does not end with event {seq}: remove it, and start the sink again")
        return Position(*row)

    def _require_ours(self, topic: str) -> None:
        about = self._folder / ABOUT
        ours = {"format": FORMAT, "topic": topic}
        if not about.exists():
            if any(self._folder.iterdir()):
                raise Problem(
                    f"{self._folder} is not empty and no sink: name an empty folder, or a new one"
                )
            about.write_text(json.dumps(ours), encoding="utf-8")
            flush(about)
        if (found := read_about(about)) != ours:
            raise Problem(f"{self._folder} is of {found.get('topic')}: name another folder for {topic}")


def read_about(about: Path) -> dict[str, object]:
    try:
        found = json.loads(about.read_bytes())
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Problem(f"{about} is damaged: name another folder, or write back what was in it")
    return found


def quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def first_line(problem: Exception) -> str:
    return str(problem).partition("\n")[0]


def flush(path: Path) -> None:
    """To the disk, for when the power fails."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Holds the folder, without writing into one that may not be ours."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise Problem(f"another sink writes to {folder}: end one of them") from None
    finally:
        os.close(descriptor)


def stretches(reader: EventReader, seconds: float, *, follow: bool) -> Iterator[Sequence[Event]]:
    """So many events that a file is worth it, or what came in so many seconds, or what is left at the end."""
    waiting: list[Event] = []
    began = time.monotonic()
    while follow or not reader.is_at_end:
        waiting += reader.read(EVENTS_MAX, min(POLL_SECONDS, seconds))
        if not follow:
            reader.require_whole()
        if len(waiting) >= EVENTS_MAX or time.monotonic() - began >= seconds:
            yield waiting
            waiting, began = [], time.monotonic()
    yield waiting


def main() -> None:
    arguments = parsed()
    with complaining(), alone(arguments.folder):
        sink = Sink(arguments.folder, arguments.topic)
        with closing(EventReader(arguments.bootstrap, arguments.topic, sink.positions())) as reader:
            for events in stretches(reader, arguments.seconds, follow=arguments.follow):
                sink.add(events)
            if reader.unreadable:
                print(f"passed over {reader.unreadable} messages that are no events")


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the files are, made where there is none")
    parser.add_argument("--bootstrap", default="localhost:9092", help="where Kafka is")
    parser.add_argument("--topic", default="stenolog.events.v2")
    parser.add_argument("--follow", action="store_true", help="go on with what comes, until Ctrl-C")
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="at most so long until events are in a file (60)"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()

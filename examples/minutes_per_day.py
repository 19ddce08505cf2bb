"""Minutes of sound and the share of failures per day, out of the events topic into a SQLite file, exactly once.

`python minutes_per_day.py --bootstrap HOST:PORT minutes.sqlite` reads up to the end of the topic and prints the days; with --follow it goes on until it
is ended. Kill it whenever you like: days and positions are written in one transaction.
"""

import argparse
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from reading import Event, EventReader, Position, Problem, complaining

FORMAT: Final = 1
EVENTS_MAX: Final = 5_000
POLL_SECONDS: Final = 1.0
TABLES: Final = """
create table if not exists source (format integer not null, topic text not null);
create table if not exists positions (partition integer primary key, seq integer not null, event_id text not null, "offset" integer not null);
create table if not exists days (
    day text primary key, minutes integer not null default 0,
    completed integer not null default 0, failed integer not null default 0, cancelled integer not null default 0
);
create table if not exists passed_over (type text primary key, events integer not null);
"""
REPORT: Final = """
select day, minutes, completed, failed, cancelled, round(1.0 * failed / nullif(completed + failed, 0), 4) as failure_rate
from days order by day
"""


def counted(event: Event) -> tuple[str, str, int] | None:
    """The day, the column and by how much it grows; None for what is passed over, of which types may come at any time."""
    match event.type:
        case "QuotaDebited":
            data = json.loads(event.data)
            return data["debited_at"][:10], "minutes", data["minutes"]
        case "TranscriptionCompleted":
            return json.loads(event.data)["completed_at"][:10], "completed", 1
        case "TranscriptionFailed":
            return json.loads(event.data)["failed_at"][:10], "failed", 1
        case "TranscriptionCancelled":
            return json.loads(event.data)["cancelled_at"][:10], "cancelled", 1
        case _:
            return None


class Days:
    """The SQLite file. Raises Problem where it is another program's, or one that another reader writes to."""

    def __init__(self, path: Path, topic: str) -> None:
        self._path = path
        try:
            self._file = sqlite3.connect(path, isolation_level=None, timeout=10.0)
            self._file.executescript(TABLES)
            self._require_source(topic)
        except sqlite3.Error as problem:
            raise Problem(f"{path} cannot be used: {problem}; name a new file") from problem

    def close(self) -> None:
        self._file.close()

    @property
    def positions(self) -> Mapping[int, Position]:
        rows = self._file.execute('select partition, seq, event_id, "offset" from positions')
        return {partition: Position(*rest) for partition, *rest in rows}

    def add(self, events: Sequence[Event]) -> None:
        """What they count and where they end, in one transaction."""
        with self._transaction():
            for event in events:
                self._count(event)
            for last in {event.partition: event for event in events}.values():
                first = min(event.seq for event in events if event.partition == last.partition)
                self._move(last, first - 1)

    def report(self) -> Iterator[str]:
        yield "day         minutes  completed  failed  cancelled  failure rate"
        for day, minutes, completed, failed, cancelled, rate in self._file.execute(REPORT):
            shown = "-" if rate is None else f"{rate:.4f}"
            yield f"{day}  {minutes:7}  {completed:9}  {failed:6}  {cancelled:9}  {shown:>12}"
        passed = self._file.execute("select type, events from passed_over order by type").fetchall()
        yield f"passed over: {', '.join(f'{name} {events}' for name, events in passed) or 'nothing'}"

    def _count(self, event: Event) -> None:
        found = counted(event)
        if found is None:
            self._file.execute(
                "insert into passed_over values (?, 1) on conflict do update set events = events + 1",
                [event.type],
            )
            return
        day, column, number = found
        self._file.execute(
            f"insert into days (day, {column}) values (?, ?) on conflict do update set {column} = {column} + excluded.{column}",
            [day, number],
        )

    def _move(self, last: Event, before: int) -> None:
        self._file.execute(
            "insert into positions values (?, 0, '', -2) on conflict do nothing", [last.partition]
        )
        moved = self._file.execute(
            'update positions set seq = ?, event_id = ?, "offset" = ? where partition = ? and seq = ?',
            [last.seq, last.id, last.offset, last.partition, before],
        )
        if moved.rowcount != 1:
            raise Problem(
                f"another reader writes to {self._path}: end one of them; nothing was counted twice"
            )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._file.execute("begin immediate")
        try:
            yield
        except BaseException:
            self._file.execute("rollback")
            raise
        self._file.execute("commit")

    def _require_source(self, topic: str) -> None:
        self._file.execute(
            "insert into source select ?, ? where not exists (select * from source)", [FORMAT, topic]
        )
        if (found := self._file.execute("select format, topic from source").fetchone()) != (FORMAT, topic):
            raise Problem(
                f"{self._path} is of {found[1]} in format {found[0]}: name a new file for {topic}"
            )


def main() -> None:
    arguments = parsed()
    with complaining(), closing(Days(arguments.file, arguments.topic)) as days:
        with closing(EventReader(arguments.bootstrap, arguments.topic, days.positions)) as reader:
            while arguments.follow or not reader.is_at_end:
                if events := reader.read(EVENTS_MAX, POLL_SECONDS):
                    days.add(events)
                if not arguments.follow:
                    reader.require_whole()
            unreadable = reader.unreadable
        print(*days.report(), sep="\n")
        if unreadable:
            print(f"{unreadable} messages are no events: somebody else writes to {arguments.topic}")


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, help="the SQLite file, which is made where there is none")
    parser.add_argument("--bootstrap", default="localhost:9092", help="where Kafka is")
    parser.add_argument("--topic", default="stenolog.events.v2")
    parser.add_argument("--follow", action="store_true", help="go on with what comes, until Ctrl-C")
    return parser.parse_args()


if __name__ == "__main__":
    main()

"""Damage to the files of a partition, as a bad disk or somebody's hand does it to a broker that runs."""

import os
from pathlib import Path

import pytest

from embedded.brokers import Broker
from embedded.kafka import ApacheKafka


def segment(data: Path, topic: str, partition: int) -> Path:
    """The only file of a small partition; `data` is the broker's folder."""
    [path] = (data / f"{topic}-{partition}").glob("*.log")
    return path


def require_apache(broker: Broker) -> None:
    if not isinstance(broker, ApacheKafka):
        pytest.skip("noida-db keeps everything in one file that only it understands")


def flip(path: Path) -> None:
    """Some bytes in the middle are others: a batch there is not what it was."""
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        there = file.read(16)
        file.seek(-len(there), os.SEEK_CUR)
        file.write(bytes(each ^ 0xFF for each in there))


def flip_last_data(path: Path) -> None:
    """The last event is another; behind it there are markers of transactions alone, which are short."""
    content = path.read_bytes()
    where = content.rindex(b'"minutes"')
    path.write_bytes(content[:where] + b'"minuses"' + content[where + len(b'"minutes"') :])


def cut(path: Path) -> None:
    """The second half is gone, and a broker that runs does not know it: it gives nothing of the file any more."""
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2 + 7)

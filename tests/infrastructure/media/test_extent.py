"""A recording is measured without reading more of it than is needed."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from av.error import InvalidDataError

from domain.media_errors import MediaTooLong
from infrastructure.media.extent import measure
from infrastructure.media.formats import open_media
from infrastructure.media.reading import ERRORS_MAX, read_packets
from infrastructure.media.timeline import tolerance_seconds
from infrastructure.media.tracks import open_track
from tests.infrastructure.media.recordings import ADTS, slow_wav, write_recording


def test_the_tolerance_grows_with_the_length_but_not_for_ever() -> None:
    assert tolerance_seconds(3.0) < 1.0
    assert tolerance_seconds(600.0) < 10.0
    assert tolerance_seconds(36_000.0) == 10.0


class Counted:
    """A container that says how many packets were read from it."""

    def __init__(self, container: Any) -> None:
        self._container = container
        self.packets = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._container, name)

    def demux(self, *_: object) -> Iterator[Any]:
        for packet in self._container.demux():
            self.packets += 1
            yield packet


class Interrupted:
    """A container whose reading fails so many times before its one packet."""

    def __init__(self, *problems: Exception) -> None:
        self._problems = list(problems)

    def demux(self, *_: object) -> Iterator[Any]:
        if self._problems:
            raise self._problems.pop()
        yield SimpleNamespace(size=1)


@pytest.mark.parametrize(
    "problem", [IndexError(), InvalidDataError(1, "corrupt")], ids=["stranger", "corrupt"]
)
def test_reading_goes_on_after_what_cannot_be_read(problem: Exception) -> None:
    """A stream that appears on the way, and a corrupt stretch."""
    assert len(list(read_packets(Interrupted(problem, problem)))) == 1  # type: ignore[arg-type]  # it passes for one


def test_reading_that_only_fails_ends() -> None:
    problems = [InvalidDataError(1, "corrupt")] * (ERRORS_MAX + 1)
    assert list(read_packets(Interrupted(*problems))) == []  # type: ignore[arg-type]  # it passes for one


def packets_read(path: Path, seconds_max: float) -> int:
    """Until the recording was found too long."""
    with open_track(path) as (container, stream):
        counted = Counted(container)
        with pytest.raises(MediaTooLong):
            measure(counted, stream, path, seconds_max)  # type: ignore[arg-type]  # it passes for one
        return counted.packets


def test_a_recording_whose_bytes_are_too_many_is_believed_and_not_counted(tmp_path: Path) -> None:
    assert packets_read(slow_wav(tmp_path / "media", rate=1_000, seconds=37_000), 36_000) == 0


def test_a_recording_that_claims_nothing_is_counted_only_until_it_is_too_long(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "media", ADTS, seconds=30.0)
    with open_media(path) as container:
        whole = sum(1 for _ in container.demux())
    assert 0 < packets_read(path, 3.0) < whole / 5

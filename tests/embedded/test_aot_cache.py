"""What makes Kafka's next start quicker is made once, by one at a time, and never in the way of the system."""

import asyncio
from pathlib import Path

import pytest

from embedded.aot_cache import AotCache, make_in_quiet

MADE = b"loaded and linked"


class Training:
    """Of a program that writes its cache when it is allowed to."""

    def __init__(self) -> None:
        self.runs = 0
        self.begun, self.may_end = asyncio.Event(), asyncio.Event()

    async def __call__(self, folder: Path, made: Path) -> None:
        assert not folder.exists()
        self.runs += 1
        self.begun.set()
        await self.may_end.wait()
        made.write_bytes(MADE)


@pytest.fixture
def training() -> Training:
    training = Training()
    training.may_end.set()
    return training


async def test_nothing_is_asked_of_java_while_there_is_no_cache(tmp_path: Path, training: Training) -> None:
    cache = AotCache(tmp_path / "aot", "Java 25", "a.jar")
    assert cache.options() == ()
    await cache.make(training)
    option, _ = cache.options()
    assert Path(option.removeprefix("-XX:AOTCache=")).read_bytes() == MADE


async def test_it_is_made_once(tmp_path: Path, training: Training) -> None:
    await AotCache(tmp_path, "Java 25").make(training)
    await AotCache(tmp_path, "Java 25").make(training)
    assert training.runs == 1


async def test_two_at_once_do_not_both_make_it(tmp_path: Path) -> None:
    training = Training()
    first = asyncio.create_task(AotCache(tmp_path, "Java 25").make(training))
    await training.begun.wait()
    await AotCache(tmp_path, "Java 25").make(training)
    training.may_end.set()
    await first
    assert training.runs == 1
    assert AotCache(tmp_path, "Java 25").options()


async def test_another_java_needs_another_and_the_one_before_stays(
    tmp_path: Path, training: Training
) -> None:
    for version in ("Java 24", "Java 25", "Java 26"):
        await AotCache(tmp_path, version).make(training)
    assert training.runs == 3
    assert [bool(AotCache(tmp_path, version).options()) for version in ("Java 25", "Java 26")] == [
        True,
        True,
    ]
    assert len(list(tmp_path.glob("*.aot"))) == 2


async def test_what_a_killed_one_left_is_removed_and_no_cache(tmp_path: Path, training: Training) -> None:
    (tmp_path / ".training-abc").mkdir()
    (tmp_path / ".training-abc" / "made.aot").write_bytes(b"half")
    await AotCache(tmp_path, "Java 25").make(training)
    assert not list(tmp_path.glob(".training-*"))


async def test_a_system_goes_on_when_it_cannot_be_made(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(folder: Path, made: Path) -> None:
        raise OSError("no space left")

    async def make() -> None:
        await AotCache(tmp_path, "Java 25").make(fail)

    await make_in_quiet(make, quiet_seconds=0)
    assert "no space left" in caplog.text
    assert not AotCache(tmp_path, "Java 25").options()

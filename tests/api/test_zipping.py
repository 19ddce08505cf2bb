"""A ZIP file that is packed while it is read opens with what everybody has."""

import io
import shutil
import subprocess
import tracemalloc
import zipfile
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from datetime import datetime
from pathlib import Path

import pytest

from api.zipping import ZIP64_BYTES, Member, zipped
from tests.builders import NOON

MEBIBYTE = 1 << 20
NAMES = ["events.ndjson", "recordings/x/Ærø & 会議.wav", "empty"]
CONTENTS = [b'{"seq":1}\n' * 1000, bytes(range(256)) * 4096, b""]


async def chunks_of(content: bytes, size: int = 100_000) -> AsyncGenerator[bytes, None]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


async def members(contents: Sequence[bytes], *, bytes_max: int = 0) -> AsyncIterator[Member]:
    for name, content in zip(NAMES, contents, strict=True):
        yield Member(
            name=name,
            at=NOON,
            bytes_max=bytes_max or len(content),
            chunks=chunks_of(content),
            squeezed=name.endswith(".ndjson"),
        )


async def packed(members: AsyncIterator[Member]) -> bytes:
    return b"".join([chunk async for chunk in zipped(members)])


@pytest.mark.parametrize("bytes_max", [0, ZIP64_BYTES])
async def test_what_was_packed_is_unpacked(bytes_max: int) -> None:
    content = await packed(members(CONTENTS, bytes_max=bytes_max))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == NAMES
        assert [archive.read(name) for name in NAMES] == CONTENTS
        assert datetime(*archive.infolist()[0].date_time, tzinfo=NOON.tzinfo) == NOON


@pytest.mark.skipif(shutil.which("unzip") is None, reason="needs unzip")
@pytest.mark.parametrize("bytes_max", [0, ZIP64_BYTES])
async def test_unzip_finds_nothing_wrong(tmp_path: Path, bytes_max: int) -> None:
    (tmp_path / "export.zip").write_bytes(await packed(members(CONTENTS, bytes_max=bytes_max)))
    tested = subprocess.run(
        ["unzip", "-t", "export.zip"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert tested.returncode == 0, tested.stdout + tested.stderr


async def test_a_file_that_breaks_off_is_taken_for_whole_by_nobody() -> None:
    content = await packed(members(CONTENTS))
    for length in (len(content) // 2, len(content) - 30):
        with pytest.raises(zipfile.BadZipFile):
            zipfile.ZipFile(io.BytesIO(content[:length]))


async def test_memory_stays_flat_however_much_there_is() -> None:
    async def much() -> AsyncGenerator[bytes, None]:
        for _ in range(64):
            yield bytes(MEBIBYTE)

    async def one() -> AsyncIterator[Member]:
        yield Member(name="long", at=NOON, bytes_max=64 * MEBIBYTE, chunks=much(), squeezed=False)

    tracemalloc.start()
    total = 0
    async for chunk in zipped(one()):
        total += len(chunk)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total > 64 * MEBIBYTE
    assert peak < 16 * MEBIBYTE


async def test_who_stops_reading_leaves_nothing_open() -> None:
    closed = []

    async def endless() -> AsyncGenerator[bytes, None]:
        try:
            while True:
                yield bytes(1000)
        finally:
            closed.append(True)

    async def one() -> AsyncIterator[Member]:
        yield Member(name="long", at=NOON, bytes_max=1, chunks=endless(), squeezed=False)

    packing = zipped(one())
    await anext(packing)
    await packing.aclose()
    assert closed == [True]

"""What every object store promises."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from domain.ports import ObjectMissing, ObjectStore, ObjectStoreUnavailable

KEY = "media/anna/0a1b"
NINE_MEBIBYTES = bytes(range(256)) * 4096 * 9
"""More than one part of a multipart upload."""
BAD_KEYS = [
    "",
    "/etc/passwd",
    "../secret",
    "media/../../secret",
    "media//x",
    "media/",
    ".incoming/x",
    "a\n",
]


async def test_what_was_put_is_got_back(store: ObjectStore) -> None:
    await store.put(KEY, b"some sound")
    assert await store.get(KEY) == b"some sound"


async def test_a_file_is_stored_whole_however_long_it_is(store: ObjectStore, tmp_path: Path) -> None:
    source = tmp_path / "source"
    for content in (b"", b"short", NINE_MEBIBYTES):
        source.write_bytes(content)
        await store.put_file(KEY, source)
        assert await store.get(KEY) == content


async def test_an_object_streams_in_chunks(store: ObjectStore) -> None:
    await store.put(KEY, NINE_MEBIBYTES)
    chunks = [chunk async for chunk in store.stream(KEY, chunk_bytes=1 << 20)]
    assert b"".join(chunks) == NINE_MEBIBYTES
    assert all(len(chunk) <= 1 << 20 for chunk in chunks)


@pytest.mark.parametrize(
    ("start", "end"), [(0, 1), (5, 9), (1 << 20, (3 << 20) + 7), (7, None), (0, len(NINE_MEBIBYTES))]
)
async def test_some_bytes_of_an_object_stream(store: ObjectStore, start: int, end: int | None) -> None:
    await store.put(KEY, NINE_MEBIBYTES)
    chunks = [chunk async for chunk in store.stream(KEY, chunk_bytes=1 << 20, start=start, end=end)]
    assert b"".join(chunks) == NINE_MEBIBYTES[start:end]
    assert all(0 < len(chunk) <= 1 << 20 for chunk in chunks)


async def test_an_object_is_fetched_to_a_file(store: ObjectStore, tmp_path: Path) -> None:
    for name, content in (("empty", b""), ("long", NINE_MEBIBYTES)):
        await store.put(KEY, content)
        await store.fetch(KEY, tmp_path / name)
        assert (tmp_path / name).read_bytes() == content


async def test_a_fetch_never_overwrites_a_file(store: ObjectStore, tmp_path: Path) -> None:
    await store.put(KEY, b"new")
    (tmp_path / "there").write_bytes(b"old")
    with pytest.raises(FileExistsError):
        await store.fetch(KEY, tmp_path / "there")
    assert (tmp_path / "there").read_bytes() == b"old"


async def test_a_later_put_replaces_the_object(store: ObjectStore) -> None:
    await store.put(KEY, b"first")
    await store.put(KEY, b"second")
    assert await store.get(KEY) == b"second"


async def test_a_missing_object_is_reported_by_its_key(store: ObjectStore, tmp_path: Path) -> None:
    assert not await store.exists(KEY)
    with pytest.raises(ObjectMissing, match=KEY):
        await store.get(KEY)
    with pytest.raises(ObjectMissing, match=KEY):
        await anext(aiter(store.stream(KEY)))
    with pytest.raises(ObjectMissing, match=KEY):
        await store.fetch(KEY, tmp_path / "out")
    assert not (tmp_path / "out").exists()


async def test_a_deleted_object_is_gone_and_may_be_deleted_again(store: ObjectStore) -> None:
    await store.put(KEY, b"x")
    assert await store.exists(KEY)
    await store.delete(KEY)
    await store.delete(KEY)
    assert not await store.exists(KEY)


async def test_all_of_a_folder_is_deleted_and_nothing_beside_it(store: ObjectStore) -> None:
    below = [f"media/anna/{name}" for name in ("1", "2/a", "2/b", "3/c/d", *map(str, range(10, 40)))]
    beside = ["media/anna2/1", "media/bert/1", "transcripts/anna/1"]
    await asyncio.gather(*(store.put(key, b"x") for key in below + beside))
    for _ in range(2):  # A second time there is nothing to do.
        await store.delete_all("media/anna")
        assert [await store.exists(key) for key in below] == [False] * len(below)
        assert [await store.exists(key) for key in beside] == [True] * len(beside)


async def test_a_folder_can_be_used_again_and_while_it_is_deleted(store: ObjectStore) -> None:
    async def put(number: int) -> None:
        with suppress(ObjectStoreUnavailable):
            await store.put(f"media/anna/{number}/x", b"x")

    keys = [f"media/anna/{number}/x" for number in range(50)]
    await asyncio.gather(*map(put, range(25)), store.delete_all("media/anna"), *map(put, range(25, 50)))
    await store.delete_all("media/anna")
    assert not any([await store.exists(key) for key in keys])
    await store.put(KEY, b"new")
    assert await store.get(KEY) == b"new"


@pytest.mark.parametrize("key", [*BAD_KEYS, "a" * 513])
async def test_a_key_cannot_lead_out_of_the_store(store: ObjectStore, key: str) -> None:
    with pytest.raises(ValueError, match="is no object key"):
        await store.put(key, b"x")
    with pytest.raises(ValueError, match="is no object key"):
        await store.get(key)
    with pytest.raises(ValueError, match="is no object key"):
        await store.delete_all(key)


async def test_a_store_that_is_away_says_so_whatever_it_is_asked(
    lost_store: ObjectStore, tmp_path: Path
) -> None:
    for name, content in (("short", b"short"), ("long", NINE_MEBIBYTES)):
        (tmp_path / name).write_bytes(content)
    # At once, since each is tried several times with pauses.
    answers = await asyncio.gather(
        lost_store.put(KEY, b"x"),
        lost_store.put_file(KEY, tmp_path / "short"),
        lost_store.put_file(KEY, tmp_path / "long"),
        lost_store.get(KEY),
        anext(aiter(lost_store.stream(KEY))),
        lost_store.fetch(KEY, tmp_path / "out"),
        lost_store.exists(KEY),
        lost_store.delete(KEY),
        lost_store.delete_all("media/anna"),
        return_exceptions=True,
    )
    assert {type(answer) for answer in answers} == {ObjectStoreUnavailable}
    assert not (tmp_path / "out").exists()

"""A full disk is called one: 507, one line in the log, and nothing is left behind."""

import errno
from pathlib import Path
from typing import cast

import asyncpg
import pytest
from msgspec.structs import replace

from api.upload_room import UploadRoom
from api.uploads import _Receiver
from infrastructure.disk import is_full
from infrastructure.settings import Settings
from tests.api.rig import sound
from tests.api.test_process import served
from tests.builders import ANNA
from tests.stack.small_disk import may_mount, on_a_small_disk


@pytest.mark.skipif(not may_mount(), reason="this account may not mount a small disk")
@pytest.mark.parametrize("full", ["spool", "objects"])
async def test_an_upload_that_does_not_fit_on_the_disk_is_told_so(
    settings: Settings, tmp_path: Path, full: str
) -> None:
    for name in ("spool", "objects"):
        (tmp_path / name).mkdir()
    here = replace(settings, object_store=(tmp_path / "objects").as_uri())
    small = on_a_small_disk(tmp_path / full)
    async with (
        served(here, tmp_path / "spool", small) as server,
        server.client(await server.logged_in()) as client,
    ):
        answer = await client.post("/files/upload", files={"file": ("talk.wav", sound(200))})
        assert (answer.status_code, answer.json()["code"]) == (507, "disk_full")
        assert "disk is full" in answer.json()["error"]
        assert int(answer.headers["Retry-After"]) > 0
        assert (await client.get("/files")).json() == []
        server.process.terminate()
        _, said = await server.process.communicate()
    lines = [line for line in said.decode().splitlines() if "disk full" in line]
    assert len(lines) == 1
    assert b"Traceback" not in said


def test_a_disk_that_fills_up_while_an_upload_is_written_is_noticed_at_once() -> None:
    room = UploadRoom(1 << 20, uploads_per_user=1, disk_bytes_kept=0)
    with room.admitted(ANNA) as share, Path("/dev/full").open("wb", buffering=0) as full:
        receiver = _Receiver(Path("/tmp"), 1 << 20, share)
        with pytest.raises(OSError, match="No space left") as refused:
            receiver._write_now(full, bytearray(10))
    assert is_full(refused.value)


def test_the_disk_is_found_full_behind_other_errors() -> None:
    translated = RuntimeError("no answer")
    translated.__cause__ = OSError(errno.EDQUOT, "Disk quota exceeded")
    assert is_full(translated)
    assert is_full(cast("BaseException", asyncpg.DiskFullError("no room")))
    assert not is_full(OSError(errno.EACCES, "Permission denied"))

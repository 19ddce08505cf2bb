"""What the sandbox takes away is gone; what a kernel cannot take away, the sandbox does not claim to have."""

import asyncio
import json
import os
import signal
import socket
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from infrastructure.media.children import child_environment
from infrastructure.media.fork_server import ForkServer
from infrastructure.media.forked_streams import fork_process
from infrastructure.media.warm import MEDIA_CHILDREN

SCRIPT = "tests.infrastructure.media.script_child"


class Done(NamedTuple):
    returncode: int
    stdout: bytes
    stderr: bytes


async def run_confined(script: str, *arguments: str, server: ForkServer = MEDIA_CHILDREN) -> Done:
    """In a child that is forked just as those that look at media."""
    child = await fork_process(server, SCRIPT, script, *arguments, stderr=True)
    assert child.stdout is not None
    assert child.stderr is not None
    try:
        async with asyncio.timeout(30):
            said, complained = await asyncio.gather(child.stdout.read(), child.stderr.read())
            return Done(await child.wait(), said, complained)
    finally:
        child.close()


async def answer_of(script: str, *arguments: str) -> Any:
    done = await run_confined(script, *arguments)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


async def test_only_the_one_file_can_be_read(tmp_path: Path) -> None:
    allowed, other = tmp_path / "allowed", tmp_path / "other"
    allowed.write_text("mine")
    other.write_text("not mine")
    answer = await answer_of(
        """
        granted = confine(Limits(), Path(sys.argv[1]))
        mine, other = Path(sys.argv[1]).read_text(), refused(lambda: open(sys.argv[2]))
        print(json.dumps([granted.other_files, mine, other]))
        """,
        str(allowed),
        str(other),
    )
    assert answer in ([True, "mine", "PermissionError"], [False, "mine", None])


async def test_nothing_can_be_written(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    answer = await answer_of(
        """
        confine(Limits(), Path(sys.argv[1]))
        print(json.dumps(refused(lambda: os.write(os.open(sys.argv[1], os.O_WRONLY), b"x"))))
        """,
        str(file),
    )
    assert answer is not None
    assert file.read_bytes() == b""


async def test_no_server_can_be_reached(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        answer = await answer_of(
            """
            connect = lambda: socket.create_connection(("127.0.0.1", int(sys.argv[2])), timeout=5)
            granted = confine(Limits(), Path(sys.argv[1]))
            print(json.dumps([granted.network, refused(connect) is not None]))
            """,
            str(file),
            str(port),
        )
        socket.create_connection(("127.0.0.1", port)).close()  # It can be reached from here.
    assert answer[0] == answer[1]


async def test_a_process_with_one_server_reaches_no_other_port_and_opens_none() -> None:
    """Forked from a server that keeps the network, as engines are."""
    with (
        socket.create_server(("127.0.0.1", 0)) as allowed,
        socket.create_server(("127.0.0.1", 0)) as other,
        closing(ForkServer(offline=False)) as online,
    ):
        done = await run_confined(
            """
            connect = lambda port: socket.create_connection(("127.0.0.1", int(port)), timeout=5).close()
            granted = reach_only(int(sys.argv[1]))
            print(json.dumps([
                granted,
                refused(lambda: connect(sys.argv[1])),
                refused(lambda: connect(sys.argv[2])),
                refused(lambda: socket.create_server(("127.0.0.1", 0)))
            ]))
            """,
            *(str(each.getsockname()[1]) for each in (allowed, other)),
            server=online,
        )
    assert json.loads(done.stdout) in (
        [True, None, "PermissionError", "PermissionError"],
        [False, None, None, None],
    )


async def test_a_process_that_computes_for_ever_is_ended(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = await run_confined(
        """
        confine(Limits(cpu_seconds=1), Path(sys.argv[1]))
        while True:
            pass
        """,
        str(tmp_path / "file"),
    )
    assert done.returncode in (-signal.SIGKILL, -signal.SIGXCPU)


async def test_a_process_that_wants_all_the_memory_does_not_get_it(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = await run_confined(
        """
        confine(Limits(memory_bytes=200 << 20), Path(sys.argv[1]))
        hoard = bytearray(400 << 20)
        """,
        str(tmp_path / "file"),
    )
    assert done.returncode != 0
    assert b"MemoryError" in done.stderr


async def test_a_child_whose_parent_is_gone_ends_at_once() -> None:
    done = await run_confined("end_with_parent(1 << 22); print('alive')")
    assert (done.returncode, done.stdout) == (1, b"")


def test_children_are_told_no_secret(monkeypatch: Any) -> None:
    monkeypatch.setenv("STENOLOG_JWT_SECRET", "x" * 40)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "y" * 40)
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy")
    environment = child_environment()
    assert os.environ["STENOLOG_JWT_SECRET"] not in environment.values()
    assert not {"AWS_SECRET_ACCESS_KEY", "HTTPS_PROXY"} & set(environment)

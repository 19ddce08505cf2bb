"""Ports that are free, and those that are not."""

import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from embedded.ports import LOOPBACK, PortTaken, free_port, is_free, reachable, require_free
from infrastructure.processes import ROOT
from infrastructure.settings import InvalidSetting


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server((LOOPBACK, 0)) as server:
        yield server.getsockname()[1]


def test_a_taken_port_is_refused_with_what_to_do(taken: int) -> None:
    with pytest.raises(
        PortTaken, match=f"port {taken} is taken by another program: choose one with --port"
    ):
        require_free(taken)


def test_a_free_port_is_taken_as_asked_for() -> None:
    port = free_port()
    assert is_free(port)
    assert require_free(port) == port


def test_port_0_asks_for_any() -> None:
    assert is_free(require_free(0))


def test_no_port_is_given_to_two_processes() -> None:
    """Also while nobody listens on it yet: the other process has the same few to choose from."""
    mine = free_port()
    few = range(mine, mine + 20)
    code = f"from embedded.ports import *\nfor _ in {few}: print(free_port({few}), flush=True)"
    other = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False
    )
    theirs = other.stdout.split()
    assert theirs
    assert str(mine) not in theirs
    assert len(set(theirs)) == len(theirs)
    assert f"NoPortFree: no port from {mine} to {mine + 19} is free" in other.stderr
    assert is_free(mine)


def test_ports_of_a_process_that_has_ended_are_free_again() -> None:
    code = "from embedded.ports import *\nprint(free_port())"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=ROOT, check=True)
    port = int(ended.stdout)
    assert free_port(range(port, port + 1)) == port


def test_a_port_that_is_taken_anywhere_is_taken_everywhere(taken: int) -> None:
    with pytest.raises(PortTaken):
        require_free(taken, "0.0.0.0")


@pytest.mark.parametrize("host", ["203.0.113.7", "nobody.invalid"])
def test_a_host_that_is_not_this_machine_is_refused(host: str) -> None:
    with pytest.raises(InvalidSetting, match=f"^nobody can listen on {host}, port "):
        require_free(0, host)


def test_what_listens_everywhere_is_reached_on_the_loopback() -> None:
    assert [reachable(host) for host in ("0.0.0.0", "::", "127.0.0.1", "::1")] == [
        "127.0.0.1",
        "[::1]",
        "127.0.0.1",
        "[::1]",
    ]

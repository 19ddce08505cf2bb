"""Ports that are free, and those that are not."""

import socket
from collections.abc import Iterator

import pytest

from embedded.ports import LOOPBACK, PortTaken, free_port, is_free, require_free


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

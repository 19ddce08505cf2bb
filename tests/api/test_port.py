"""The port that several API processes share."""

import socket

import pytest

from api.port import CannotListen, kept_port


def listening(port: int) -> socket.socket:
    each = socket.socket()
    each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    each.bind(("127.0.0.1", port))
    each.listen()
    return each


def test_nobody_is_answered_before_somebody_listens() -> None:
    with kept_port("127.0.0.1", 0) as port:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
        with listening(port), listening(port), socket.create_connection(("127.0.0.1", port)):
            pass


def test_a_port_on_which_others_listen_is_refused_although_they_would_share_it() -> None:
    with listening(0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotListen, match=f"cannot listen on 127.0.0.1:{port}: "):
            kept_port("127.0.0.1", port).__enter__()


def test_an_address_of_nobody_is_refused() -> None:
    with pytest.raises(CannotListen), kept_port("192.0.2.1", 0):
        pass


def test_all_addresses_of_a_name_get_the_same_port() -> None:
    with kept_port("localhost", 0) as port:
        assert port > 0

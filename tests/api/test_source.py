"""Whom a request is counted for: what a client makes up about itself changes nothing."""

from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.source import UNKNOWN, TrustedProxies
from infrastructure.settings import InvalidSetting

PROXIES = TrustedProxies("10.0.0.0/8, 192.168.1.1,2001:db8:ffff::/48")


def source(peer: str | None, *headers: tuple[str, str], proxies: TrustedProxies = PROXIES) -> str:
    encoded = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    client = (peer, 4711) if peer is not None else None
    return proxies.source_of(cast("Any", {"type": "http", "client": client, "headers": encoded}))


@pytest.mark.parametrize("name", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Client-IP"])
@pytest.mark.parametrize("peer", ["127.0.0.1", "203.0.113.9", "11.0.0.1"])
def test_somebody_who_is_no_proxy_is_not_believed(name: str, peer: str) -> None:
    said = "for=198.51.100.1" if name == "Forwarded" else "198.51.100.1"
    assert source(peer, (name, said)) == peer
    assert source(peer, (name, said), proxies=TrustedProxies()) == peer


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("198.51.100.1", "198.51.100.1"),
        ("1.2.3.4, 198.51.100.1", "198.51.100.1"),
        ("1.2.3.4, 198.51.100.1, 10.9.9.9,192.168.1.1", "198.51.100.1"),
        ("198.51.100.1:55000", "198.51.100.1"),
        ("10.1.1.1, 10.2.2.2", "10.1.1.1"),
        ("198.51.100.1, unknown", "10.0.0.1"),
        ("198.51.100.1, _hidden, 10.2.2.2", "10.2.2.2"),
        ("", "10.0.0.1"),
        (",,", "10.0.0.1"),
        ("::ffff:198.51.100.1", "198.51.100.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2:aa::1]:443", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("198.51.100.1, 2001:db8:ffff::5", "198.51.100.1"),
        ("999.1.1.1", "10.0.0.1"),
    ],
)
def test_a_trusted_proxy_is_believed_as_far_as_trusted_ones_wrote(said: str, expected: str) -> None:
    assert source("10.0.0.1", ("X-Forwarded-For", said)) == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("for=198.51.100.1", "198.51.100.1"),
        ('For="198.51.100.1:80";proto=https;by=10.0.0.1', "198.51.100.1"),
        ('for=1.2.3.4, for=198.51.100.1;proto=https, For="10.3.3.3"', "198.51.100.1"),
        ('proto=https; for="[2001:db8:1:2::17]:4711"', "2001:db8:1:2::/64"),
        ('for=198.51.100.1;host="a,b;for=1.2.3.4"', "198.51.100.1"),
        ("for=198.51.100.1, for=unknown", "10.0.0.1"),
        ("for=198.51.100.1, for=_secret", "10.0.0.1"),
        ("for=198.51.100.1, proto=https", "10.0.0.1"),
        ("for=1.2.3.4;for=198.51.100.1", "10.0.0.1"),
        ('for="198.51.100.1', "10.0.0.1"),
        ("198.51.100.1", "10.0.0.1"),
    ],
)
def test_the_standard_header_is_read_as_rfc_7239_has_it(said: str, expected: str) -> None:
    assert source("10.0.0.1", ("Forwarded", said)) == expected


def test_a_header_in_several_lines_is_one() -> None:
    lines = [("X-Forwarded-For", "1.2.3.4"), ("X-Forwarded-For", "198.51.100.1")]
    assert source("10.0.0.1", *lines) == "198.51.100.1"


def test_a_client_gains_nothing_by_the_header_that_its_proxy_does_not_write() -> None:
    real = ("X-Forwarded-For", "198.51.100.1")
    assert source("10.0.0.1", real, ("Forwarded", "for=1.2.3.4")) == "10.0.0.1"
    assert source("10.0.0.1", real, ("Forwarded", "for=198.51.100.1")) == "198.51.100.1"


def test_addresses_of_one_ipv6_customer_are_one_source() -> None:
    assert source("2001:db8:1:2::1") == source("2001:db8:1:2:ffff::9") != source("2001:db8:1:3::1")
    assert source("::ffff:203.0.113.9") == source("203.0.113.9")


def test_a_request_without_an_address_has_a_source_too() -> None:
    assert source(None) == source("testclient") == UNKNOWN


@pytest.mark.parametrize("text", ["localhost", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.1 10.0.0.2", "*"])
def test_a_list_that_names_no_proxies_is_refused_by_the_variables_name(text: str) -> None:
    with pytest.raises(InvalidSetting, match="STENOLOG_TRUSTED_PROXIES"):
        TrustedProxies(text)


@given(st.text(st.characters(max_codepoint=255)), st.text(st.characters(max_codepoint=255)))
def test_whatever_a_header_holds_there_is_a_source(listed: str, standard: str) -> None:
    assert source("10.0.0.1", ("X-Forwarded-For", listed), ("Forwarded", standard))


def test_a_long_header_is_read_in_no_time_by_its_length() -> None:
    assert source("10.0.0.1", ("Forwarded", 'for="' * 10_000)) == "10.0.0.1"
    assert source("10.0.0.1", ("X-Forwarded-For", "10.2.2.2," * 10_000)) == "10.2.2.2"

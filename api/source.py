"""Where a request comes from: the peer of its connection or, behind proxies that are trusted, who they say it was.

Entries of `Forwarded` (RFC 7239) and `X-Forwarded-For` are read from the right, where the proxies that we know
have written, up to the first address that is none of theirs. What stands further left anybody may have made up.
"""

import re
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, TypeAlias

from litestar.types import Scope

from infrastructure.settings import InvalidSetting

IpAddress: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

IPV6_PREFIX_BITS: Final = 64
"""What one customer gets at the least (RFC 6177): its addresses are one source."""
ENTRIES_MAX: Final = 32
"""Looked at, from the right: no request comes through more proxies than this."""
UNKNOWN: Final = "unknown"
"""The source of a request without an address, as from a Unix socket."""

# A token or a quoted string: commas and semicolons inside quotes separate nothing.
_VALUE: Final = r'"(?:[^"\\]|\\.)*"|[^",;\s]*'
_PAIR: Final = re.compile(rf"\s*([A-Za-z-]+)\s*=\s*({_VALUE})\s*")
_PORT: Final = re.compile(r"^(?:\[(?P<v6>[^\]]*)\]|(?P<v4>[0-9.]+))(?::[\w.-]*)?$")


class TrustedProxies:
    """The addresses whose word is taken, from STENOLOG_TRUSTED_PROXIES: `10.0.0.0/8, 2001:db8::7`."""

    def __init__(self, text: str = "") -> None:
        """Raises InvalidSetting."""
        self._networks = [_network(part.strip()) for part in text.split(",") if part.strip()]

    def __contains__(self, address: IpAddress) -> bool:
        return any(address in network for network in self._networks)

    def source_of(self, scope: Scope) -> str:
        """An IPv4 address, or the /64 of an IPv6 address: what is counted as one source."""
        return _counted(self.client_address(scope))

    def client_address(self, scope: Scope) -> IpAddress | None:
        """Who sent the request, as far as somebody trusted says so."""
        source = peer_of(scope)
        if source is None or source not in self:
            return source
        for said in reversed(_forwarded(scope)[-ENTRIES_MAX:]):
            if said is None:  # "unknown", or a name: the proxy that wrote it is as far as we see
                return source
            source = said
            if source not in self:
                return source
        return source

    def protocols(self, scope: Scope) -> Sequence[str]:
        """How the request came, part by part, as a trusted proxy says; nothing where none is there or says it."""
        peer = peer_of(scope)
        if peer is None or peer not in self:
            return []
        listed = _lines(scope, b"x-forwarded-proto").lower().split(",")
        standard = _standard_protocols(_lines(scope, b"forwarded"))
        return [*filter(None, map(str.strip, listed)), *standard]


def peer_of(scope: Scope) -> IpAddress | None:
    """The other end of the connection, which nobody can make up."""
    client = scope.get("client")
    return _address(client[0]) if client else None


def _network(text: str) -> Network:
    try:
        return ip_network(text)
    except ValueError as problem:
        raise InvalidSetting(f"STENOLOG_TRUSTED_PROXIES: {problem}") from problem


def source_of_peer(host: str) -> str:
    """What the other end of a connection counts as, whatever it sends."""
    return _counted(_address(host))


def _counted(address: IpAddress | None) -> str:
    if isinstance(address, IPv6Address):
        return str(ip_network((int(address), IPV6_PREFIX_BITS), strict=False))
    return UNKNOWN if address is None else str(address)


def _forwarded(scope: Scope) -> Sequence[IpAddress | None]:
    """What the proxies said, the nearest last; nothing where two headers say different things.

    A proxy writes one of the headers and hands the other on, so that a client could choose by sending it.
    """
    listed = [_address(entry) for entry in _lines(scope, b"x-forwarded-for").split(",") if entry.strip()]
    standard = list(_standard(_lines(scope, b"forwarded")))
    if listed and standard and listed != standard:
        return []
    return listed or standard


def _standard(text: str) -> Iterator[IpAddress | None]:
    """The `for` of each element of Forwarded; None where it says nothing that can be read."""
    for element in _split(text, ","):
        pairs = [_PAIR.fullmatch(part) for part in _split(element, ";")]
        found = [pair[2] for pair in pairs if pair and pair[1].lower() == "for"]
        yield _address(found[0]) if len(found) == 1 and all(pairs) else None


def _standard_protocols(text: str) -> Iterator[str]:
    """The `proto` of each element of Forwarded that has one, and of one that cannot be read, which is no protocol."""
    for element in _split(text, ","):
        pairs = [_PAIR.fullmatch(part) for part in _split(element, ";")]
        if not all(pairs):
            yield UNKNOWN
        yield from (pair[2].strip('"').lower() for pair in pairs if pair and pair[1].lower() == "proto")


def _split(text: str, separator: str) -> list[str]:
    """Parts that are not empty; a quote that is not closed makes the rest one part, which is no pair."""
    parts = re.findall(rf'(?:"(?:[^"\\]|\\.)*"?|[^"{separator}])+', text)
    return [part for part in parts if part.strip()]


def _lines(scope: Scope, name: bytes) -> str:
    """A header, however many lines it was sent in (RFC 9110, 5.2)."""
    return ",".join(value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name)


def _address(text: str) -> IpAddress | None:
    """With or without quotes, brackets, port and zone; an IPv4 address mapped into IPv6 is that IPv4 address."""
    text = text.strip().strip('"').strip()
    bare = _PORT.fullmatch(text)
    if bare:
        text = bare["v6"] or bare["v4"] or ""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address

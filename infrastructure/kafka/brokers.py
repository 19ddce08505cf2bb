"""Where Kafka is and how it is spoken to: in the clear, or over TLS with or without a login."""

import asyncio
import re
import ssl
from typing import Any, Final, Literal, TypeAlias

from msgspec import Struct

from infrastructure.encryption import Pair, show, trusting
from infrastructure.settings import InvalidSetting, Settings

Protocol = Literal["SSL", "SASL_SSL"]

MECHANISM: Final = "SCRAM-SHA-512"
"""RFC 5802: the password itself is never sent, and the broker has to know it as well."""
_ADDRESS: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")


class SecureBrokers(Struct, frozen=True, kw_only=True):
    """Brokers that show a certificate; with a username they also want a login."""

    bootstrap: str
    context: ssl.SSLContext
    authority: str
    """Of whom their certificates have to come, in words for a person."""
    username: str = ""
    password: str = ""

    def __str__(self) -> str:
        return self.bootstrap

    def __repr__(self) -> str:
        """Without the password, wherever it is shown."""
        return f"SecureBrokers({self.bootstrap!r}, username={self.username!r})"


Brokers: TypeAlias = str | SecureBrokers
"""`host:port,host:port` alone stands for brokers that are spoken to in the clear."""


def connection_options(brokers: Brokers) -> dict[str, Any]:
    """What every client of aiokafka is made with."""
    if isinstance(brokers, str):
        return {"bootstrap_servers": brokers}
    return {"bootstrap_servers": brokers.bootstrap, **security_options(brokers)}


def security_options(brokers: Brokers) -> dict[str, Any]:
    """The part of `connection_options` that a single connection takes as well."""
    if isinstance(brokers, str):
        return {"security_protocol": "PLAINTEXT"}
    options = {"security_protocol": "SSL", "ssl_context": brokers.context}
    login = {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": MECHANISM,
        "sasl_plain_username": brokers.username,
        "sasl_plain_password": brokers.password,
    }
    return options | login if brokers.username else options


async def brokers_of(settings: Settings) -> Brokers:
    """Reads the certificates. Raises InvalidSetting."""
    for address in settings.kafka_bootstrap.split(","):
        if not _is_address(address.strip()):
            raise InvalidSetting(
                f"STENOLOG_KAFKA_BOOTSTRAP: {address!r} is no broker: give host:port,host:port"
            )
    _require_whole(settings)
    if settings.kafka_security == "plaintext":
        return settings.kafka_bootstrap
    return SecureBrokers(
        bootstrap=settings.kafka_bootstrap,
        context=await asyncio.to_thread(_context, settings),
        authority=settings.kafka_ca or "the system's authorities",
        username=settings.kafka_username,
        password=settings.kafka_password,
    )


def _is_address(text: str) -> bool:
    found = _ADDRESS.fullmatch(text)
    return found is not None and 0 < int(found[2] or 1) < 1 << 16


def _require_whole(settings: Settings) -> None:
    """A login that nobody uses, or one that is missing, is a mistake that would show up much later."""
    login = {
        "STENOLOG_KAFKA_USERNAME": settings.kafka_username,
        "STENOLOG_KAFKA_PASSWORD": settings.kafka_password,
    }
    for name, value in login.items():
        if settings.kafka_security == "sasl_ssl" and not value:
            raise InvalidSetting(f"{name} is missing: STENOLOG_KAFKA_SECURITY=sasl_ssl needs a login")
        if settings.kafka_security != "sasl_ssl" and value:
            raise InvalidSetting(f"{name} is of use with STENOLOG_KAFKA_SECURITY=sasl_ssl only")
    certificates = {
        "STENOLOG_KAFKA_CA": settings.kafka_ca,
        "STENOLOG_KAFKA_CERT": settings.kafka_cert,
        "STENOLOG_KAFKA_KEY": settings.kafka_key,
    }
    for name, value in certificates.items():
        if settings.kafka_security == "plaintext" and value:
            raise InvalidSetting(f"{name} is of no use without STENOLOG_KAFKA_SECURITY=ssl or sasl_ssl")
    if bool(settings.kafka_cert) != bool(settings.kafka_key):
        raise InvalidSetting("STENOLOG_KAFKA_CERT and STENOLOG_KAFKA_KEY go together: one is missing")


def _context(settings: Settings) -> ssl.SSLContext:
    context = trusting(settings.kafka_ca, "STENOLOG_KAFKA_CA")
    if settings.kafka_cert:
        names = "STENOLOG_KAFKA_CERT and STENOLOG_KAFKA_KEY"
        show(context, Pair(certificate=settings.kafka_cert, key=settings.kafka_key, variables=names))
    return context

"""Certificates: whom we trust, what we show, and in one line why a connection was refused."""

import ssl
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final, Literal
from urllib.parse import parse_qs, urlsplit

from msgspec import Struct

from infrastructure.mendable import Mendable
from infrastructure.settings import InvalidSetting, Settings

Connection = Literal["database", "kafka", "riva", "http"]
"""What a process connects to, and its settings decide how."""

_EXPIRED: Final = 10
_NOT_YET_VALID: Final = 9
_SELF_SIGNED: Final = 18
_UNKNOWN_AUTHORITY: Final = frozenset({2, 19, 20, 21})
_OTHER_NAME: Final = frozenset({62, 63, 64})
"""OpenSSL's X509_V_ERR_* codes (x509_vfy.h)."""

_NO_TLS: Final = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"})


class Pair(Struct, frozen=True, kw_only=True):
    """A certificate and its key, as paths of PEM files, and the variables that name them."""

    certificate: str
    key: str
    variables: str


class Refusal(Struct, frozen=True, kw_only=True):
    """What is wrong: the server's certificate, ours (or that we show none), or how the two speak."""

    wrong: Literal["its certificate", "our certificate", "protocol"]
    why: str


class RefusedConnection(Mendable):
    """There is a server, and one of the two does not trust the other; the message says which, and why."""


def trusting(ca: str, variable: str) -> ssl.SSLContext:
    """A client's context that believes the authorities in the PEM file `ca`, or the system's where it is empty.

    TLS 1.2 or newer (RFC 9325), names checked. Raises InvalidSetting.
    """
    try:
        context = ssl.create_default_context(cafile=ca or None)
    except ssl.SSLError as problem:
        raise InvalidSetting(f"{variable}: {ca} holds no certificate in PEM") from problem
    except OSError as problem:
        raise InvalidSetting(f"{variable}: {ca}: {_as_words(problem)}") from problem
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def show(context: ssl.SSLContext, pair: Pair) -> None:
    """Makes a new context show this certificate. Raises InvalidSetting, after which the context is of no use."""
    for path in (pair.certificate, pair.key):
        try:
            Path(path).read_bytes()  # OpenSSL does not say which of the two it cannot read.
        except OSError as problem:
            raise InvalidSetting(f"{pair.variables}: {path}: {_as_words(problem)}") from problem
    try:
        context.load_cert_chain(pair.certificate, pair.key, _no_passphrase)
    except OSError as problem:
        raise InvalidSetting(
            f"{pair.variables}: {pair.certificate} and {pair.key} are no certificate and key in PEM that fit each other"
        ) from problem


def why_refused(problem: BaseException, server: str, authority: str) -> Refusal | None:
    """In one line why a handshake with `server` failed; None when something else failed.

    `authority` says in words whose signature was asked for.
    """
    found: ssl.SSLError | None = None
    for cause in _causes(problem):
        if isinstance(cause, ssl.SSLError):
            found = cause  # The first one of all: libraries wrap it in classes of their own that say less.
    if isinstance(found, ssl.SSLCertVerificationError):
        return Refusal(
            wrong="its certificate", why=f"the certificate of {server} {_what_is_wrong(found, authority)}"
        )
    if found is None or isinstance(found, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return None  # Who hangs up without a word may just be ending.
    return _without_verdict(found.reason or type(found).__name__, server)


def _without_verdict(reason: str, server: str) -> Refusal:
    """The handshake ended before anybody looked at the server's certificate, or after we had accepted it."""
    told = reason.lower().replace("_", " ")
    if reason in _NO_TLS:
        return Refusal(wrong="protocol", why=f"{server} does not speak TLS")
    if "CERT" in reason or "UNKNOWN_CA" in reason:
        return Refusal(wrong="our certificate", why=f"{server} refuses us: {told}")
    return Refusal(wrong="protocol", why=f"no TLS with {server}: {told}")


def require_encryption(settings: Settings, connections: Collection[Connection]) -> None:
    """Raises InvalidSetting with one line for each of `connections` that would be in the clear, when that is forbidden."""
    if settings.require_encryption and (refusals := [*_in_the_clear(settings, connections)]):
        raise InvalidSetting("\n".join(refusals))


def _in_the_clear(settings: Settings, connections: Collection[Connection]) -> Iterator[str]:
    if "database" in connections and not _is_verified(settings.database_url):
        yield (
            "STENOLOG_DATABASE_URL: STENOLOG_REQUIRE_ENCRYPTION wants "
            "?sslmode=verify-full&sslrootcert=… at its end"
        )
    if "kafka" in connections and settings.kafka_security == "plaintext":
        yield "STENOLOG_KAFKA_SECURITY: STENOLOG_REQUIRE_ENCRYPTION wants sasl_ssl or ssl, not plaintext"
    if "riva" in connections and settings.engine == "riva" and not settings.riva_tls:
        yield "STENOLOG_RIVA_TLS: STENOLOG_REQUIRE_ENCRYPTION wants true"
    if "http" in connections and not (settings.tls_cert or settings.trusted_proxies):
        yield (
            "STENOLOG_TLS_CERT: STENOLOG_REQUIRE_ENCRYPTION wants a certificate, or STENOLOG_TRUSTED_PROXIES who have one"
        )


def _is_verified(database_url: str) -> bool:
    """`require` and `verify-ca` are not enough: they take the certificate of anybody, or of any other server."""
    return parse_qs(urlsplit(database_url).query).get("sslmode", [""])[-1] == "verify-full"


def _what_is_wrong(problem: ssl.SSLCertVerificationError, authority: str) -> str:
    match problem.verify_code:
        case code if code == _EXPIRED:
            return "has expired"
        case code if code == _NOT_YET_VALID:
            return "is not valid yet: one of the two clocks is wrong"
        case code if code == _SELF_SIGNED:
            return f"is signed by itself, and is not in {authority}"
        case code if code in _UNKNOWN_AUTHORITY:
            return f"is signed by nobody in {authority}"
        case code if code in _OTHER_NAME:
            return f"is for another name: {problem.verify_message.rstrip('.')}"
        case _:
            return f"is not accepted: {problem.verify_message}"


def _causes(problem: BaseException | None) -> Iterator[BaseException]:
    while problem is not None:
        yield problem
        problem = problem.__cause__ or problem.__context__


def _as_words(problem: OSError) -> str:
    return (problem.strerror or type(problem).__name__).lower()


def _no_passphrase() -> str:
    """Asked for when a key is encrypted; without this OpenSSL would ask at the terminal, and wait for ever."""
    return ""

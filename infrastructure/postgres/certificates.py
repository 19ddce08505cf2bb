"""The URL's own `sslmode`, `sslrootcert`, `sslcert` and `sslkey`: what is wrong with them, and with what the server shows."""

import re
import ssl
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import asyncpg

from infrastructure.encryption import Pair, RefusedConnection, show, trusting, why_refused
from infrastructure.postgres.connecting import VARIABLE, server_of
from infrastructure.postgres.errors import DatabaseProblem
from infrastructure.settings import InvalidSetting

_NO_TLS_THERE: Final = "rejected SSL upgrade"
"""The only thing that tells asyncpg's error about that from one about a connection that broke."""


_ABOUT_TLS: Final = re.compile(
    r"^(`ssl|root certificate file|(unsupported|no such) tls version)", re.IGNORECASE
)
"""Other complaints of asyncpg about the URL may quote any part of it."""


class DatabaseTurnedAway(DatabaseProblem, RefusedConnection):
    """There is a server, and one of the two does not trust the other."""


def require_certificates(database_url: str) -> None:
    """Reads the files that the URL names. Raises InvalidSetting."""
    named = dict(parse_qsl(urlsplit(database_url).query))
    if authority := named.get("sslrootcert"):
        trusting(authority, VARIABLE)
    if certificate := named.get("sslcert"):
        key = named.get("sslkey", certificate)
        show(ssl.create_default_context(), Pair(certificate=certificate, key=key, variables=VARIABLE))


def require_trust(problem: Exception, database_url: str) -> None:
    """Raises DatabaseTurnedAway or InvalidSetting when a try to connect failed because of TLS; else returns."""
    server = server_of(database_url)
    if isinstance(problem, asyncpg.ClientConfigurationError) and _ABOUT_TLS.search(str(problem)):
        raise InvalidSetting(f"{VARIABLE}: {problem.args[0]}") from problem
    if isinstance(problem, ConnectionError) and _NO_TLS_THERE in str(problem):
        raise DatabaseTurnedAway(
            f"{VARIABLE}: {server} does not speak TLS, and sslmode asks for it"
        ) from problem
    authority = dict(parse_qsl(urlsplit(database_url).query)).get("sslrootcert", "~/.postgresql/root.crt")
    if refusal := why_refused(problem, server, authority):
        raise DatabaseTurnedAway(f"{VARIABLE}: {refusal.why}") from problem

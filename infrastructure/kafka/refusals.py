"""Why brokers that are there turn us away: aiokafka says of every failed start only that it failed."""

import asyncio
import ssl
from typing import Final

from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import KafkaConnectionError, KafkaError, SaslAuthenticationFailed
from aiokafka.protocol.metadata import MetadataRequest

from infrastructure.encryption import RefusedConnection, why_refused
from infrastructure.kafka.brokers import Brokers, brokers_of, security_options
from infrastructure.settings import Settings

LOOK_SECONDS: Final = 5.0
"""For all that is tried with one broker."""
CONFIRM_SECONDS: Final = 1.0
"""A broker that is just ending may hang up as one does that wants a login; asked again it does not answer at all."""

_VARIABLES: Final = {
    "its certificate": "STENOLOG_KAFKA_CA",
    "our certificate": "STENOLOG_KAFKA_CERT",
    "protocol": "STENOLOG_KAFKA_SECURITY",
}


class TurnedAway(KafkaConnectionError):  # type: ignore[misc]  # aiokafka has no types
    """For a process that runs this is an outage as any other: certificates are renewed and passwords set right."""


async def welcoming_brokers(settings: Settings) -> Brokers:
    """The brokers of the settings, which may be away: others wait for them.

    Raises InvalidSetting, and RefusedConnection when they are there and turn us away.
    """
    brokers = await brokers_of(settings)
    if why := await why_turned_away(brokers):
        await asyncio.sleep(CONFIRM_SECONDS)
        if await why_turned_away(brokers) == why:
            raise RefusedConnection(why)
    return brokers


async def why_turned_away(brokers: Brokers) -> str | None:
    """One line that names the variable; None when no broker turns us away, also because none answers."""
    for host, port, _ in collect_hosts(str(brokers), randomize=False):
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                if why := await _why(host, port, brokers):
                    return why
        except TimeoutError:
            continue
    return None


async def _why(host: str, port: int, brokers: Brokers) -> str | None:
    server = f"Kafka at {host}:{port}"
    try:
        connection = await create_conn(host, port, **security_options(brokers))
    except SaslAuthenticationFailed:
        return f"STENOLOG_KAFKA_USERNAME, STENOLOG_KAFKA_PASSWORD: {server} does not accept them"
    except (OSError, KafkaError) as problem:
        return await _why_not_connected(problem, server, (host, port), brokers)
    try:
        await connection.send(MetadataRequest([]))
    except KafkaError:
        return f"STENOLOG_KAFKA_SECURITY: {server} hangs up when it is asked something; perhaps it wants sasl_ssl"
    finally:
        await connection.close()
    return None


async def _why_not_connected(
    problem: Exception, server: str, address: tuple[str, int], brokers: Brokers
) -> str | None:
    if isinstance(brokers, str):
        if await _speaks_tls(*address):
            return f"STENOLOG_KAFKA_SECURITY: {server} speaks TLS only, and this says plaintext"
        return None
    if refusal := why_refused(problem, server, brokers.authority):
        return f"{_VARIABLES[refusal.wrong]}: {refusal.why}"
    if isinstance(problem, KafkaError) and not isinstance(problem, KafkaConnectionError):
        return f"STENOLOG_KAFKA_SECURITY: {server} refuses the login: {type(problem).__name__}"
    if await _listens(*address) and not await _speaks_tls(*address):
        return f"STENOLOG_KAFKA_SECURITY: {server} does not speak TLS"
    return None


async def _speaks_tls(host: str, port: int) -> bool:
    """Whether there is TLS at all: nothing is sent and nobody is trusted, so the certificate does not matter."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return await _listens(host, port, context)


async def _listens(host: str, port: int, context: ssl.SSLContext | None = None) -> bool:
    try:
        _, writer = await asyncio.open_connection(host, port, ssl=context)
    except OSError:
        return False
    writer.close()
    return True

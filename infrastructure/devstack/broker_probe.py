"""Asks a Kafka broker whether it serves clients already."""

import asyncio

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError


async def broker_answers(bootstrap: str) -> bool:
    """True once the broker lists its topics."""
    return await _listens(bootstrap) and await _lists_topics(bootstrap)


async def _listens(bootstrap: str) -> bool:
    """Asked first, because the client logs each refused connection as an error."""
    host, _, port = bootstrap.rpartition(":")
    try:
        _, writer = await asyncio.open_connection(host, int(port))
    except OSError:
        return False
    writer.close()
    return True


async def _lists_topics(bootstrap: str) -> bool:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=5000)
    try:
        await admin.start()
        await admin.list_topics()
    except (KafkaError, OSError):
        return False
    finally:
        await admin.close()
    return True

"""Whom a bucket's client trusts: botocore's own AWS_CA_BUNDLE, and in one line why a server is not trusted."""

import asyncio
import os
from typing import Any, Final
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from infrastructure.encryption import RefusedConnection, trusting, why_refused
from infrastructure.settings import InvalidSetting

VARIABLE: Final = "AWS_CA_BUNDLE"
_LOOK_SECONDS: Final = 10.0


async def require_bundle(session: Any) -> None:
    """Raises InvalidSetting when the file that it names cannot be read: botocore would take that for an outage."""
    if bundle := _bundle(session):
        await asyncio.to_thread(trusting, bundle, VARIABLE)


async def require_trust(client: Any, bucket: str, session: Any) -> None:
    """Asks once. Raises RefusedConnection when the server's certificate is not accepted; anything else may pass."""
    server = f"the object store at {urlsplit(client.meta.endpoint_url).netloc}"
    try:
        async with asyncio.timeout(_LOOK_SECONDS):
            await client.head_bucket(Bucket=bucket)
    except (BotoCoreError, ClientError, TimeoutError) as problem:
        if refusal := why_refused(problem, server, _bundle(session) or "botocore's authorities"):
            variable = VARIABLE if refusal.wrong == "its certificate" else "STENOLOG_OBJECT_STORE"
            raise RefusedConnection(f"{variable}: {refusal.why}") from problem


def require_encrypted(client: Any) -> None:
    """Looks at what the client will do, since its endpoint may also come from AWS_ENDPOINT_URL or a profile.

    Raises InvalidSetting.
    """
    if urlsplit(client.meta.endpoint_url).scheme != "https":
        raise InvalidSetting(
            "STENOLOG_OBJECT_STORE: STENOLOG_REQUIRE_ENCRYPTION wants an https:// endpoint"
        )


def _bundle(session: Any) -> str:
    """As botocore looks for it."""
    return session.get_config_variable("ca_bundle") or os.environ.get("REQUESTS_CA_BUNDLE", "")

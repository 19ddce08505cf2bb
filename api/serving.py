"""Serves the API in this process, alone or as one of several."""

import asyncio
import sys
from contextlib import nullcontext
from typing import Final

from api.app import create_app, open_parts, require_secret
from api.encryption import ServedCertificate, only_encrypted, served_certificate
from api.server import Server
from api.share import ALONE, Share
from infrastructure.settings import Settings

LISTENING: Final = b"listening\n"
"""What one of several says on its standard output to the process that started it."""


async def serve(settings: Settings, share: Share = ALONE) -> None:
    """Raises InvalidSetting, DatabaseProblem or CannotListen, before anything is served."""
    require_secret(settings)
    certificate = await served_certificate(settings)
    async with open_parts(settings, share) as parts:
        app = only_encrypted(create_app(settings, lambda _: nullcontext(parts)), settings)
        server = Server(
            app,
            settings,
            limits=share.limits(),
            tls=certificate.context if certificate else None,
            listening=_say_so if share.folder else None,
        )
        await _run(server, certificate)


def _say_so() -> None:
    sys.stdout.buffer.write(LISTENING)
    sys.stdout.buffer.flush()


async def _run(server: Server, certificate: ServedCertificate | None) -> None:
    """Until told to stop, or until either ends by itself, which is then an error."""
    serving = asyncio.create_task(server.serve(), name="server")
    keeping = asyncio.create_task(certificate.keep_fresh(), name="certificate") if certificate else None
    try:
        await asyncio.wait(
            {serving, keeping} if keeping else {serving}, return_when=asyncio.FIRST_COMPLETED
        )
        if keeping and keeping.done():
            keeping.result()
    finally:
        server.end()
        if keeping:
            keeping.cancel()
        await serving

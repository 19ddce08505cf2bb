"""Serves the API: `python -m api`."""

import asyncio
import sys
from contextlib import nullcontext

from api.app import create_app, open_parts, require_secret
from api.encryption import ServedCertificate, only_encrypted, served_certificate
from api.server import Server
from infrastructure.process import run_process
from infrastructure.settings import Settings


async def serve(settings: Settings) -> None:
    """Raises InvalidSetting, DatabaseProblem or CannotListen, before anything is served."""
    require_secret(settings)
    certificate = await served_certificate(settings)
    async with open_parts(settings) as parts:
        app = only_encrypted(create_app(settings, lambda _: nullcontext(parts)), settings)
        server = Server(app, settings, tls=certificate.context if certificate else None)
        await _run(server, certificate)


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
        server.should_exit = True
        if keeping:
            keeping.cancel()
        await serving


if __name__ == "__main__":
    sys.exit(run_process(serve, ["database", "http"]))

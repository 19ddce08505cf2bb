"""Serves the API: `python -m api`."""

import asyncio
import sys
from contextlib import nullcontext

from api.app import create_app, open_parts, require_secret
from api.server import Server
from infrastructure.process import run_process
from infrastructure.settings import Settings


async def serve(settings: Settings) -> None:
    """Raises InvalidSetting, DatabaseProblem or CannotListen, before anything is served."""
    require_secret(settings)
    async with open_parts(settings) as parts:
        server = Server(create_app(settings, lambda _: nullcontext(parts)), settings)
        serving = asyncio.create_task(server.serve(), name="server")
        try:
            await asyncio.shield(serving)
        finally:
            server.should_exit = True
            await serving


if __name__ == "__main__":
    sys.exit(run_process(serve, ["database"]))

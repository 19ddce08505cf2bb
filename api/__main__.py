"""Serves the API: `python -m api`."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Final

import uvicorn
from litestar import Litestar

from api.app import create_app, open_parts, require_secret
from infrastructure.process import run_process
from infrastructure.settings import Settings

STOP_SECONDS_MAX: Final = 6
"""What requests in progress have left once told to stop; closing what they worked with takes a moment more."""

REQUESTS_MAX: Final = 1_000
"""At the same time; beyond that clients are told to come back, at no cost."""


class Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves the signals to `run_process`."""
        yield


async def serve(settings: Settings) -> None:
    """Raises InvalidSetting, or DatabaseProblem, before anything is served."""
    require_secret(settings)
    async with open_parts(settings) as parts:
        server = Server(_config(settings, create_app(settings, lambda _: nullcontext(parts))))
        serving = asyncio.create_task(server.serve(), name="server")
        try:
            await asyncio.shield(serving)
        finally:
            server.should_exit = True
            await serving


def _config(settings: Settings, app: Litestar) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,  # an access log holds people's addresses
        server_header=False,
        limit_concurrency=REQUESTS_MAX,
        timeout_graceful_shutdown=STOP_SECONDS_MAX,
    )


if __name__ == "__main__":
    sys.exit(run_process(serve))

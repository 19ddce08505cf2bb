"""Serves the API: `python -m api`."""

import sys

from api.serving import serve
from api.share import cores
from api.workers import Workers
from infrastructure.process import run_process
from infrastructure.settings import Settings


async def _serve(settings: Settings) -> None:
    count = cores() if settings.api_workers == "auto" else settings.api_workers
    if count == 1:
        await serve(settings)
    else:
        await Workers(settings, count).serve()


if __name__ == "__main__":
    sys.exit(run_process(_serve, ["database", "http"]))

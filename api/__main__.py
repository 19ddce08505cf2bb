"""Serves the API: `python -m api`."""

import logging
import signal
import sys
from typing import Final

import uvicorn

from api.app import create_app
from infrastructure.settings import InvalidSetting, Settings, read_settings

STOP_SECONDS_MAX: Final = 6
"""What requests in progress have left after SIGTERM; closing what they worked with takes a moment more."""


def main() -> int:
    try:
        settings = read_settings()
        server = uvicorn.Server(_config(settings))
    except InvalidSetting as problem:
        print(problem, file=sys.stderr)  # noqa: T201  # the one line a person sees
        return 2
    # The server handles these signals by itself, and afterwards raises them again for whoever was there before.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    server.run()
    return 0 if server.started else 1


def _config(settings: Settings) -> uvicorn.Config:
    logging.basicConfig(
        level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    return uvicorn.Config(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,  # an access log holds people's addresses
        server_header=False,
        timeout_graceful_shutdown=STOP_SECONDS_MAX,
    )


if __name__ == "__main__":
    sys.exit(main())

"""The HTTP server: uvicorn's, with bounds for connections and requests, and no wait without an end."""

import asyncio
import resource
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, TypeAlias

import uvicorn
from msgspec.structs import replace

from api.connection import Connection, CrowdState
from api.crowd import Limits
from api.port import CannotListen
from infrastructure.mendable import Mendable
from infrastructure.settings import Settings

STOP_SECONDS_MAX: Final = 6
"""What requests in progress have left once told to stop; closing what they worked with takes a moment more."""
BACKLOG: Final = 4_096
TICK_SECONDS: Final = 0.1
"""At each tenth of them the time in answers moves on."""
IDLE_TICK_SECONDS: Final = 1.0
HANDSHAKE_SECONDS_MAX: Final = 10.0
DESCRIPTORS_MAX: Final = 65_536
DESCRIPTORS_KEPT: Final = 512
"""For everything that is no client: the database, files, children."""

Application: TypeAlias = Callable[..., Any]
"""As ASGI has it; the frameworks and servers have each their own types for it."""


class Server(uvicorn.Server):
    """Serves one application until told to `end`. Raises CannotListen."""

    def __init__(
        self,
        app: Application,
        settings: Settings,
        *,
        limits: Limits | None = None,
        tls: ssl.SSLContext | None = None,
        listening: Callable[[], None] | None = None,
    ) -> None:
        """`listening` is for one of several that share the port: it is called once this one takes connections."""
        super().__init__(_config(app, settings))
        self._tls = tls
        self._listening = listening
        self._told = asyncio.Event()
        self._state = CrowdState(fitting(limits or Limits(), raise_descriptor_limit()))
        self.server_state = self._state

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves the signals to `run_process`."""
        yield

    async def startup(self, sockets: object = None) -> None:  # noqa: ARG002  # none are handed over
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            raise Mendable("the application did not start: the log says why")
        host, port = self.config.host, self.config.port
        try:
            server = await asyncio.get_running_loop().create_server(
                self._connect,
                host,
                port,
                ssl=self._tls,
                ssl_handshake_timeout=HANDSHAKE_SECONDS_MAX if self._tls else None,
                backlog=BACKLOG,
                reuse_port=self._listening is not None,
            )
        except OSError as problem:
            await self.lifespan.shutdown()
            raise CannotListen(f"cannot listen on {host}:{port}: {problem.strerror}") from problem
        self.servers = [server]
        self._log_started_message(server.sockets)
        self.started = True
        if self._listening is not None:
            self._listening()

    def _connect(self) -> Connection:
        return Connection(self.config, self._state, self.lifespan.state)

    def end(self) -> None:
        self._state.is_stopping = True
        self.should_exit = True
        self._told.set()

    async def main_loop(self) -> None:
        """As uvicorn's, which looks ten times a second; where nobody is connected once is enough."""
        ticks = 0
        while not await self.on_tick(ticks):
            ticks, seconds = (ticks + 1, TICK_SECONDS) if len(self._state.crowd) else (0, IDLE_TICK_SECONDS)
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._told.wait()

    async def on_tick(self, counter: int) -> bool:
        self._state.crowd.sweep()
        return await super().on_tick(counter)


def fitting(limits: Limits, descriptors: int) -> Limits:
    """As many connections as there can be files: `accept` never meets the end of them."""
    connections = max(1, min(limits.connections, descriptors - DESCRIPTORS_KEPT))
    return replace(limits, connections=connections)


def raise_descriptor_limit() -> int:
    """The limit of open files of this process, raised as far as it may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    wanted = DESCRIPTORS_MAX if hard == unlimited else min(hard, DESCRIPTORS_MAX)
    if soft != unlimited and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return DESCRIPTORS_MAX if soft == unlimited else soft


def _config(app: Application, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=Connection,
        ws="none",
        lifespan="on",
        interface="asgi3",
        log_config=None,
        access_log=False,  # an access log holds people's addresses
        server_header=False,
        proxy_headers=False,  # whom to believe about a client's address is decided by the routes that need it
        timeout_keep_alive=int(Limits().idle_seconds),
        timeout_graceful_shutdown=STOP_SECONDS_MAX,
    )

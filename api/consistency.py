"""Reading one's own writes: commands answer with an address in the log, and queries can wait for one."""

import asyncio
import logging
import re
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Protocol, Self

from litestar import Request
from litestar.types import HTTPScope as Scope

from api.requests import add_header, sent
from domain.errors import InvalidField
from domain.log import Address
from infrastructure.postgres.errors import TRANSIENT, DatabaseUnavailable
from infrastructure.postgres.listener import Hear, Listener
from infrastructure.postgres.pool import Pool
from infrastructure.settings import Settings
from projections import checkpoints
from projections.models import READ_MODELS
from projections.runner import PROJECTED_CHANNEL

_LOGGER = logging.getLogger(__name__)

TOKEN_HEADER: Final = "Consistency-Token"  # noqa: S105  # the name of a header
STATUS_HEADER: Final = "Consistency-Status"
BEHIND: Final = "behind"
"""The read models had not reached the address before the deadline: the answer may be older than the token."""
POLL_SECONDS: Final = 0.1
"""How often to look while somebody waits, in case a notification is lost."""
LOOK_SECONDS_MAX: Final = 1.0
"""A database that takes longer to say where the read models are does not answer queries either."""
_TOKEN_NAME: Final = TOKEN_HEADER.lower().encode()
_TOKEN: Final = re.compile(r"(\d{1,6}):(\d{1,18})")


class Hearer(Protocol):
    """Somebody else in this process who wants to hear it: one connection listens for all."""

    @property
    def channels(self) -> Mapping[str, Hear]:
        """What else is to be heard."""
        ...

    def moved(self, seqs: Mapping[int, int]) -> None: ...

    def missed(self) -> None: ...


class ReadModelProgress:
    """How far the read models have come. Enter it before use; it takes one connection of the pool for itself."""

    def __init__(self, pool: Pool, hearer: Hearer | None = None) -> None:
        self._pool = pool
        self._hearer = hearer
        self._seqs: dict[int, int] = {}
        self._moved = asyncio.Event()
        also = None if hearer is None else hearer.channels
        self._listener = Listener(pool, PROJECTED_CHANNEL, self._hear, self._forget, also=also)
        self._looking = asyncio.Lock()

    async def __aenter__(self) -> Self:
        await self._listener.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._listener.__aexit__(kind, problem, trace)

    async def wait(self, address: Address, timeout_seconds: float) -> bool:
        """Whether every read model has folded everything up to `address`, at the latest at the timeout.

        Raises DatabaseUnavailable when nothing could be heard or seen.
        """
        self._listener.require_alive()
        try:
            async with asyncio.timeout(timeout_seconds):
                while not self._has(address):
                    await self._hear_or_look(address)
        except TimeoutError:
            return self._has(address)
        return True

    def _has(self, address: Address) -> bool:
        return self._seqs.get(address.partition, 0) >= address.seq

    async def _hear_or_look(self, address: Address) -> None:
        """Until something is heard; looks itself at first, and after a while in case nothing could be heard."""
        try:
            async with asyncio.timeout(POLL_SECONDS if address.partition in self._seqs else 0):
                await self._moved.wait()
        except TimeoutError:
            self._seqs.setdefault(address.partition, 0)
            async with self._looking:  # One look serves everybody who waits.
                if not self._has(address):
                    await self._look()

    async def _look(self) -> None:
        try:
            seqs = await self._reached()
        except TRANSIENT as problem:
            _LOGGER.warning("cannot see how far the read models are: %r", problem)
        else:
            self._move(seqs)

    async def _reached(self) -> Mapping[int, int]:
        try:
            async with asyncio.timeout(LOOK_SECONDS_MAX), self._pool.acquire() as connection:
                return await checkpoints.reached(connection, list(READ_MODELS))
        except TimeoutError as problem:
            raise DatabaseUnavailable(
                f"no look at the read models within {LOOK_SECONDS_MAX:g} s"
            ) from problem

    def _hear(self, payload: str) -> None:
        """The payload is an address that every read model has reached."""
        partition, _, seq = payload.partition(":")
        self._move({int(partition): int(seq)})

    def _forget(self) -> None:
        """A server that crashed may have taken back what it told: commits of projections do not wait for the disk."""
        self._seqs.clear()
        if self._hearer is not None:
            self._hearer.missed()

    def _move(self, seqs: Mapping[int, int]) -> None:
        self._seqs |= {partition: max(seq, self._seqs.get(partition, 0)) for partition, seq in seqs.items()}
        self._moved.set()
        self._moved = asyncio.Event()
        if self._hearer is not None:
            self._hearer.moved(seqs)


async def settle(
    request: Request[Any, Any, Any],
    progress: ReadModelProgress,
    address: Address | None,
    wait_seconds: float,
) -> None:
    """Tells the client where its command stands in the log, and waits so that its next query shows it."""
    if address is None:
        return  # Nothing changed, so there is nothing to wait for.
    add_header(request.scope, TOKEN_HEADER, str(address))
    if "respond-async" not in (sent(request.scope, b"prefer") or "").lower():
        try:
            await _wait(request.scope, progress, address, wait_seconds)
        except DatabaseUnavailable as problem:  # The command was carried out before that.
            _LOGGER.warning("cannot see whether the read models show a command: %s", problem)
            add_header(request.scope, STATUS_HEADER, BEHIND)


async def wait_for_token(scope: Scope, progress: ReadModelProgress, settings: Settings) -> None:
    """Before every query: one that is given a token waits until the read models have reached it.

    After the deadline it answers what there is, and says so: an old answer serves a client better than none.
    """
    token = sent(scope, _TOKEN_NAME)
    if token is not None and scope["method"] == "GET":
        address = _address_of(token, settings.partitions)
        await _wait(scope, progress, address, settings.consistency_wait_seconds)


async def _wait(scope: Scope, progress: ReadModelProgress, address: Address, seconds: float) -> None:
    if not await progress.wait(address, seconds):
        add_header(scope, STATUS_HEADER, BEHIND)


def _address_of(token: str, partition_count: int) -> Address:
    match = _TOKEN.fullmatch(token.strip())
    if match is None or int(match[1]) >= partition_count:
        raise InvalidField(TOKEN_HEADER, "is none that a command answered with: send it as it came")
    return Address(int(match[1]), int(match[2]))

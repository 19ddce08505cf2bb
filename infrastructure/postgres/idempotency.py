"""Requests with an Idempotency-Key, in PostgreSQL: who carries each of them out, and what was answered."""

from pathlib import Path
from typing import Final, TypeAlias
from uuid import UUID, uuid5

import msgspec
from msgspec import Struct

from domain.errors import PersonErased
from infrastructure.postgres.pool import Pool
from infrastructure.postgres.queries import load_queries
from infrastructure.postgres.retry import retried

KEPT_SECONDS: Final = 24 * 3600.0
ALIVE_SECONDS: Final = 30.0
"""After which a request whose process says nothing is taken over."""
DEADLINE_SECONDS: Final = 5.0
EXPIRED_AT_ONCE: Final = 1_000
EARLIER_MAX: Final = 5
"""How often a request dies that is sent again and again."""

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))

HeaderLines: TypeAlias = list[tuple[str, str]]
_HEADERS: Final = msgspec.json.Decoder(HeaderLines)


class Key(Struct, frozen=True):
    """Whose key, and digests of it and of the request that carries it."""

    owner_id: UUID
    key_digest: bytes
    request_digest: bytes


class Claim(Struct, frozen=True):
    """The right to carry a request out, until it is not renewed any more; `generation` grows with each who takes it over."""

    key: Key
    identity: UUID
    generation: int

    @property
    def id(self) -> UUID:
        """For what is made by the request."""
        return uuid5(self.identity, str(self.generation))

    @property
    def earlier_ids(self) -> list[UUID]:
        """What may have been made by those who died with it in hand, the last of them first."""
        first = max(1, self.generation - EARLIER_MAX)
        return [uuid5(self.identity, str(number)) for number in range(self.generation - 1, first - 1, -1)]


class KeptAnswer(Struct, frozen=True):
    status: int
    headers: HeaderLines
    body: bytes


class KeyInFlight(Exception):
    """Somebody is carrying it out at this moment."""


class KeyOfAnother(Exception):
    """The key was sent with another request."""


class IdempotencyKeys:
    """Times are the database's. Every method raises DatabaseUnavailable at the deadline."""

    def __init__(self, pool: Pool, alive_seconds: float = ALIVE_SECONDS) -> None:
        self._pool = pool
        self.alive_seconds = alive_seconds

    async def claim(self, key: Key) -> Claim | KeptAnswer:
        """What was answered, if it was. Raises KeyInFlight, KeyOfAnother or PersonErased."""
        return await retried(lambda: self._claim(key), DEADLINE_SECONDS)

    async def _claim(self, key: Key) -> Claim | KeptAnswer:
        async with self._pool.acquire() as connection:
            ids = key.owner_id, key.key_digest
            arguments = *ids, key.request_digest, self.alive_seconds, KEPT_SECONDS
            claimed = await connection.fetchrow(_SQL["claim"], *arguments)
            if claimed is not None:
                return Claim(key, claimed["identity"], claimed["generation"])
            found = await connection.fetchrow(_SQL["find"], *ids)
        if found is None:  # It was freed in this moment.
            raise KeyInFlight
        request_digest, status, headers, body, leaves = found
        if leaves:
            raise PersonErased
        if request_digest != key.request_digest:
            raise KeyOfAnother
        if status is None:
            raise KeyInFlight
        return KeptAnswer(status, _HEADERS.decode(headers), body)

    async def renew(self, claim: Claim) -> None:
        await self._execute("renew", claim, self.alive_seconds)

    async def abandon(self, claim: Claim) -> None:
        """Nobody knows whether it was carried out: the next one takes it over at once."""
        await self._execute("renew", claim, 0.0)

    async def keep(self, claim: Claim, answer: KeptAnswer) -> None:
        """Unless somebody else has taken it over."""
        headers = msgspec.json.encode(answer.headers).decode()
        await self._execute("keep", claim, answer.status, headers, answer.body)

    async def free(self, claim: Claim) -> None:
        """Nothing was changed: the key may be used again, with another request too."""
        await self._execute("free", claim)

    async def _execute(self, query: str, claim: Claim, *arguments: object) -> None:
        ids = claim.key.owner_id, claim.key.key_digest, claim.generation
        await retried(lambda: self._pool.execute(_SQL[query], *ids, *arguments), DEADLINE_SECONDS)

    async def expire(self) -> int:
        """Removes what is older than a day; returns how many that were, at most EXPIRED_AT_ONCE."""
        status: str = await self._pool.execute(_SQL["expire"], KEPT_SECONDS, EXPIRED_AT_ONCE)
        return int(status.rpartition(" ")[2])

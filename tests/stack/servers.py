"""The two servers the tests run against, and where they come from."""

import os
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

from tests.stack import containers, embedded


class Database(Protocol):
    async def create_database(self, name: str) -> str:
        """Returns its URL."""
        ...

    async def drop_database(self, name: str) -> None: ...


class Kafka(Protocol):
    @property
    def bootstrap(self) -> str: ...

    @property
    def retention_ms(self) -> int: ...


def postgres(folder: Path) -> AbstractAsyncContextManager[Database]:
    return containers.postgres() if in_containers() else embedded.postgres(folder)


def kafka(folder: Path) -> AbstractAsyncContextManager[Kafka]:
    return containers.kafka() if in_containers() else embedded.kafka(folder)


def in_containers() -> bool:
    stack = os.environ.get("STACK", "embedded")
    assert stack in {"embedded", "containers"}, f"STACK={stack} is neither embedded nor containers"
    return stack == "containers"

"""Answers that last: they take no place of those that are given at once, and end with their connection or with the server."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol

EXTENSION: Final = "stenolog.lasting"
"""Of ASGI's scope, where the server has it: what a request is answered over."""


class Lasting(Protocol):
    def begin_lasting(self, end: Callable[[], None]) -> None: ...

    def end_lasting(self) -> None: ...


@contextmanager
def lasting(scope: Any, end: Callable[[], None]) -> Iterator[None]:
    """For as long as the answer may take. `end` is called once nobody takes it any more, or the server stops: also at once."""
    connection: Lasting | None = scope.get("extensions", {}).get(EXTENSION)
    if connection is None:
        yield
        return
    connection.begin_lasting(end)
    try:
        yield
    finally:
        connection.end_lasting()

"""Messages on their way into batches, each of one partition."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeAlias

from schemas.topics import Headers


class Message(NamedTuple):
    """A tuple, because the relay makes one for every event there ever was. The key decides where no partition is named."""

    topic: str
    partition: int | None
    key: bytes | None
    value: bytes | None
    headers: Headers


Batch: TypeAlias = tuple[str, int | None, Any]
"""Topic, partition, and a batch of aiokafka."""


class Batches:
    """A message goes to the last batch of its partition, or to a new one when that is full."""

    def __init__(self, create: Callable[[], Any]) -> None:
        self._create = create
        self._filling: dict[tuple[str, int | None], Any] = {}
        self._full: list[Batch] = []

    def fill(self, messages: Iterable[Message]) -> None:
        filling = self._filling
        for topic, partition, key, value, headers in messages:
            batch = filling.get((topic, partition))
            if batch is None or batch.append(timestamp=None, key=key, value=value, headers=headers) is None:
                if batch is not None:
                    self._full.append((topic, partition, batch))
                batch = filling[topic, partition] = self._create()
                batch.append(timestamp=None, key=key, value=value, headers=headers)

    def take(self, bytes_min: int = 0) -> list[Batch]:
        """Those that are full or have so many bytes, in the order of each partition; they are not filled any more."""
        taken, self._full = self._full, []
        for where, batch in list(self._filling.items()):
            if batch.size() >= bytes_min:
                taken.append((*where, batch))
                del self._filling[where]
        return taken

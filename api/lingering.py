"""The transport as one request sees it: an answer that is whole leaves as a whole, and the end is not at once."""

import asyncio
from collections.abc import Callable


class Lingering:
    """Ends with `end`, which takes its time.

    A head waits for its body until the event loop goes round: two pieces cost both ends a third more than one.
    """

    __slots__ = ("_end", "_head", "_is_begun", "_transport", "is_closing")

    def __init__(self, transport: asyncio.Transport, end: Callable[[], None], *, has_body: bool) -> None:
        self._transport = transport
        self._end = end
        self._is_begun = not has_body
        self._head: bytes | None = None
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        if not self._is_begun:
            self._is_begun = True
            self._head = data
            asyncio.get_running_loop().call_soon(self._flush)
        elif self._head is None:
            self._transport.write(data)
        else:
            head, self._head = self._head, None
            self._transport.writelines([head, data])

    def close(self) -> None:
        self._flush()
        self._end()

    def _flush(self) -> None:
        head, self._head = self._head, None
        if head is not None and not self.is_closing():
            self._transport.write(head)

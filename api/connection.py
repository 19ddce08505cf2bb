"""One HTTP/1 connection: uvicorn's, with a limit for everything that a client could make last or grow."""

import asyncio
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final, cast
from uuid import uuid4

import msgspec
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from api.crowd import Crowd, Limits, Phase
from api.errors import MEDIA_TYPE, RETRY_AFTER_SECONDS, problem_of
from api.lasting import EXTENSION
from api.lingering import Lingering
from api.openai_audio import refusals
from api.source import source_of_peer

WRITE_BYTES_PER_SECOND_MIN: Final = 256
"""A client that takes its answer slower is gone, or wants us to believe that it is not."""
_HOST: Final = re.compile(rb"[A-Za-z0-9._~!$&'()*+,;=%:\[\]-]*")
"""The characters of RFC 3986, 3.2.2 and 3.2.3."""


class CrowdState(ServerState):
    """What the connections of one server share."""

    def __init__(self, limits: Limits) -> None:
        super().__init__()
        self.limits = limits
        self.crowd = Crowd(limits)
        self.lasting = 0
        """Answers under way that may take hours, and do next to nothing in that time."""
        self.is_stopping = False


class Refused(Exception):
    """What came is no request that is answered; the connection ends after the refusal."""

    def __init__(self, status: HTTPStatus, code: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.code = code


class Connection(HttpToolsProtocol):
    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        state = cast("CrowdState", server_state)
        self._state = state
        self._limits = state.limits
        self._crowd = state.crowd
        self._in_head = True
        self._message_complete = True
        self._head_bytes = 0
        self._unread_bytes = 0
        """Came since the last byte of a body: parts of a head, of trailers, or what surrounds chunks."""
        self._refusal: Refused | None = None
        self._ended = False
        self._write_watch: asyncio.TimerHandle | None = None
        self._end_answer: Callable[[], None] | None = None

    # What the transport tells

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(transport)
        self._crowd.admit(self, source_of_peer(self.client[0] if self.client else ""))

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended = True
        self._crowd.leave(self)
        self._stop_watching()
        self._end_what_lasts()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._ended:
            return  # The rest of what was refused: read so that the refusal is not lost, and thrown away.
        if self._message_complete and self._has_answered():
            self._await_head()
        self._unread_bytes += len(data)
        super().data_received(data)  # Callbacks of the parser come before it returns.
        if self._unread_bytes > self._limits.head_bytes and not self.transport.is_closing():
            self._refuse(_too_large())

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_writing()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_watching()

    # What the parser tells

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._message_complete and self._has_answered():
            self._await_head()  # It came together with the end of the one before.
        self._in_head = True
        self._message_complete = False
        self._head_bytes = 0

    def on_url(self, url: bytes) -> None:
        self._count_head(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count_head(len(name) + len(value) + len(b": \r\n"))
        if self._in_head:  # Trailers are of no use here, and come when the headers are believed already.
            super().on_header(name, value)
            if len(self.headers) > self._limits.headers:
                self._raise(_too_large())

    def on_headers_complete(self) -> None:
        self._require_host()
        self._in_head = False
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._unread_bytes = 0
        super().on_body(body)
        if not self.cycle.response_complete and not self.pipeline:
            self._crowd.move(self, Phase.BODY)

    def on_message_complete(self) -> None:
        self._unread_bytes = 0
        self._message_complete = True
        super().on_message_complete()
        if not self.pipeline:
            self._crowd.move(self, Phase.IDLE if self._has_answered() else Phase.ANSWER)

    # Requests

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        cycle.transport = cast(
            "asyncio.Transport",
            Lingering(self.transport, self.end, has_body=cycle.scope["method"] != "HEAD"),
        )
        cycle.scope["extensions"] = {EXTENSION: self}  # type: ignore[dict-item]  # ASGI wants a dict of what we need no dict for
        self._crowd.move(self, Phase.ANSWER if self._message_complete else Phase.BODY)
        requests = len(self.tasks) - self._state.lasting
        if requests >= self._limits.requests and not self._crowd.make_room_for_request():
            app = _answer_busy
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        if self._ended:
            self.flow.resume_reading()
            return
        if not self.pipeline:
            self._crowd.move(self, Phase.IDLE if self._message_complete else Phase.DRAINING)
        super().on_response_complete()
        self._unset_keepalive_if_required()  # The crowd is swept instead.

    def begin_lasting(self, end: Callable[[], None]) -> None:
        self._state.lasting += 1
        self._end_answer = end
        if self._state.is_stopping or self._ended or self.transport.is_closing():
            end()

    def end_lasting(self) -> None:
        self._state.lasting -= 1
        self._end_answer = None

    def _end_what_lasts(self) -> None:
        if self._end_answer is not None:
            self._end_answer()

    def _await_head(self) -> None:
        self._crowd.move(self, Phase.HEAD)
        self._message_complete = False
        self._unread_bytes = 0

    @property
    def is_awaited(self) -> bool:
        return not self.flow.read_paused

    def _has_answered(self) -> bool:
        cycle = self._newest()
        return cycle is None or cycle.response_complete

    def _newest(self) -> RequestResponseCycle | None:
        """None before the first request; uvicorn's types do not say so."""
        return self.cycle

    def _require_host(self) -> None:
        """RFC 9112, 3.2."""
        hosts = [value for name, value in self.headers if name == b"host"]
        needed = self.parser.get_http_version() == "1.1"
        if len(hosts) > 1 or (needed and not hosts) or not all(map(_HOST.fullmatch, hosts)):
            text = "A request needs one Host header with the name of this server"
            self._raise(Refused(HTTPStatus.BAD_REQUEST, "bad_host", text))

    def _count_head(self, count: int) -> None:
        self._head_bytes += count
        if self._head_bytes > self._limits.head_bytes:
            self._raise(_too_large())

    # Ends

    def _raise(self, refusal: Refused) -> None:
        """Stops the parser, which says no more about it than that something was raised."""
        self._refusal = refusal
        raise refusal

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  # uvicorn's words for everything
        self._refuse(
            self._refusal or Refused(HTTPStatus.BAD_REQUEST, "bad_request", "This is no HTTP request")
        )

    def _refuse(self, refusal: Refused) -> None:
        """Answers in place of the application, unless an answer has begun."""
        if self._ended:
            return
        cycle = self._newest()
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
            if cycle.response_started:
                self.cut()
                return
        self.transport.write(_refusal_of(refusal))
        self.end()

    def end(self) -> None:
        """No request is taken any more. What still comes is read for a while, or the answer would be lost to a reset."""
        if self._ended:
            return
        self._ended = True
        if self._message_complete:
            self.transport.close()
            self._watch_writing()
            return
        self._crowd.move(self, Phase.DRAINING)
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()

    def shutdown(self) -> None:
        if self._ended:
            self.cut()
        else:
            super().shutdown()
            self._end_what_lasts()

    def cut(self) -> None:
        self._ended = True
        self.transport.abort()

    def time_out(self) -> None:
        if self._message_complete or self._ended:
            self._crowd.leave(self)
            self.cut()
            return
        text = "The request did not come in time: send it again"
        self._refuse(Refused(HTTPStatus.REQUEST_TIMEOUT, "request_stalled", text))

    def _watch_writing(self) -> None:
        self._stop_watching()
        unsent = self.transport.get_write_buffer_size()
        if unsent:
            self._write_watch = self.loop.call_later(
                self._limits.write_seconds, self._look_at_writing, unsent
            )

    def _look_at_writing(self, unsent_before: int) -> None:
        taken = unsent_before - self.transport.get_write_buffer_size()
        if taken < min(unsent_before, WRITE_BYTES_PER_SECOND_MIN * self._limits.write_seconds):
            self.cut()
        else:
            self._watch_writing()

    def _stop_watching(self) -> None:
        if self._write_watch is not None:
            self._write_watch.cancel()
            self._write_watch = None


def _too_large() -> Refused:
    text = "The request line and the headers are too long, or there are too many: send less"
    return Refused(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "headers_too_large", text)


def _refusal_of(refusal: Refused) -> bytes:
    content = msgspec.json.encode(problem_of(refusal.status, refusal.code, str(refusal), uuid4()))
    headers = f"content-type: {MEDIA_TYPE}\r\ncontent-length: {len(content)}\r\nconnection: close\r\n\r\n"
    return STATUS_LINE[refusal.status] + headers.encode() + content


async def _answer_busy(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001  # an application as any other
    text = "Too many requests at the same time: come back in a moment"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    problem = problem_of(status, "busy", text, uuid4())
    is_openai = refusals.are_expected_at(scope["path"])
    content = msgspec.json.encode(refusals.refusal_of(problem) if is_openai else problem)
    headers = [
        (b"content-type", (refusals.MEDIA_TYPE if is_openai else MEDIA_TYPE).encode()),
        (b"content-length", str(len(content)).encode()),
        (b"retry-after", str(RETRY_AFTER_SECONDS).encode()),
    ]
    await send({"type": "http.response.start", "status": int(status), "headers": headers})
    await send({"type": "http.response.body", "body": content})

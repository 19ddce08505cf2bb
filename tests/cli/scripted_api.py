"""An HTTP server that answers the commands of a client from a script."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from uuid import UUID

FILE = UUID(int=1)
TRANSCRIPTION = UUID(int=2)
EXPORTED = b"1\n00:00:00,000 --> 00:00:01,000\nHello.\n"

NO_ANSWER = (0, b"")
"""The connection ends instead."""
Answer = tuple[int, Mapping[str, Any] | Sequence[Mapping[str, Any]] | bytes]


def problem(status: int, detail: str, **members: str) -> Answer:
    return status, {"status": status, "detail": detail, "error": detail} | members


def transcription(status: str, percent: int, **more: object) -> Answer:
    asked = {"task": "transcribe", "prompt": "", "vocabulary": []}
    body = {"transcription_id": str(TRANSCRIPTION), "file_id": str(FILE), "status": status} | asked
    shown = {"progress_percentage": percent, "created_at": "2026-01-01T00:00:00Z", "warnings": []}
    return 200, body | shown | more


class ScriptedApi:
    """Answers each request by its method and path; a list of answers is given out one by one, the last for ever."""

    def __init__(self) -> None:
        user = {"id": str(UUID(int=3)), "email": "anna@example.com", "quota_minutes": 60}
        uploaded = {
            "file_id": str(FILE),
            "filename": "talk.ogg",
            "status": "uploaded",
            "duration_seconds": 9.0,
        }
        change = {"transcription_id": str(TRANSCRIPTION), "status": "queued", "message": "queued"}
        quota = {"quota_minutes_remaining": 7, "quota_minutes_reserved": 2, "quota_minutes_used": 51}
        self.asked: list[str] = []
        self.tokens: list[str | None] = []
        self.keys: list[str | None] = []
        self.bodies: dict[str, bytes] = {}
        self.headers: dict[str, Mapping[str, str]] = {}
        """Of the answers, by request."""
        self.uploaded = b""
        self.answers: dict[str, list[Answer]] = {
            "POST /v1/auth/register": [(201, {"message": "registered"})],
            "POST /v1/auth/login": [(200, {"token": "secret-token", "user": user})],
            "POST /v1/files/upload": [(201, uploaded | {"message": "uploaded"})],
            "POST /v1/transcriptions": [(202, change)],
            f"GET /v1/transcriptions/{TRANSCRIPTION}": [
                transcription("queued", 0),
                transcription("processing", 40),
                transcription("completed", 100),
            ],
            f"GET /v1/transcriptions/{TRANSCRIPTION}/events": [problem(404, "an API of before")],
            f"GET /v1/transcriptions/{TRANSCRIPTION}/export": [(200, EXPORTED)],
            f"POST /v1/transcriptions/{TRANSCRIPTION}/cancel": [
                (200, change | {"status": "cancelled", "message": "cancelled"})
            ],
            "GET /v1/user/quota": [(200, quota)],
        }
        self.on_request: Callable[[str], None] = lambda _: None
        """Hears of each, once it is there as a whole."""
        self.url = ""

    def answer(self, request: str, content: bytes, token: str | None) -> Answer:
        self.asked.append(request)
        self.tokens.append(token)
        self.bodies[request] = content
        if request.endswith("/upload"):
            self.uploaded = content
        self.on_request(request)
        answers = self.answers[request]
        return answers.pop(0) if len(answers) > 1 else answers[0]

    @contextmanager
    def serving(self) -> Iterator[Self]:
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(
            target=server.serve_forever, args=(0.01,)
        )  # how often it looks whether to end
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def _handler(api: ScriptedApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(b"")

        def do_DELETE(self) -> None:
            self._answer(b"")

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers["Content-Length"])))

        def _answer(self, content: bytes) -> None:
            request = f"{self.command} {self.path.partition('?')[0]}"
            api.keys.append(self.headers["Idempotency-Key"])
            status, body = api.answer(request, content, self.headers["Authorization"])
            if not status:
                self.close_connection = True
                return
            encoded = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(encoded)))
            for name, value in api.headers.get(request, {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(encoded)

        def log_message(self, format: str, *_arguments: object) -> None:  # noqa: A002  # the name is the library's
            """Says nothing."""

    return Handler

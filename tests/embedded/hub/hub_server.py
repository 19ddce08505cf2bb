"""A hub on loopback: lists repositories and hands out their files in parts, as the real client asks for them.

Weights are kept elsewhere, as with the real one, so that each request for them is redirected. A test breaks it in
one way at a time.
"""

import hashlib
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HELD_SECONDS_MAX = 60.0
PIECE_BYTES = 1 << 16
LISTED = re.compile(r"/api/models/([^/]+/[^/]+)/revision/([^/?]+)")
RESOLVED = re.compile(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)")
STORED = re.compile(r"/stored/([0-9a-f]{64})")

Files = Mapping[str, bytes]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def commit(number: int) -> str:
    return f"{number:040x}"


@dataclass
class Repo:
    """Its commits, and what `main` is at the moment."""

    commits: dict[str, Files]
    main: str
    problem: tuple[int, str] | None = None
    """A status and an error code to answer with, instead of anything else."""


@dataclass
class Hub:
    repos: dict[str, Repo] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    """The path and the range of every request for the content of a file."""
    sent_instead: dict[str, bytes] = field(default_factory=dict)
    """By file name: the wrong bytes."""
    listed_bytes: dict[str, int] = field(default_factory=dict)
    """By file name: a size that is not so."""
    cut_once_after_bytes: int | None = None
    hold_after_bytes: int | None = None
    go_on: threading.Event = field(default_factory=threading.Event)
    stored: dict[str, bytes] = field(default_factory=dict)
    url: str = ""

    def add(self, name: str, files: Files, number: int = 1) -> str:
        """Makes it the newest commit of a repository; returns that."""
        repo = self.repos.setdefault(name, Repo({}, ""))
        repo.main = commit(number)
        repo.commits[repo.main] = files
        return repo.main

    def ranges_of_weights(self) -> list[str]:
        return [asked for path, asked in self.asked if STORED.fullmatch(path)]


class Answering(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None: ...

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if found := LISTED.fullmatch(path):
            return self._list(*found.groups())
        self.hub.asked.append((path, self.headers.get("Range", "")))
        if found := STORED.fullmatch(path):
            return self._send(self.hub.stored[found[1]])
        if found := RESOLVED.fullmatch(path):
            return self._resolve(*found.groups())
        return self._refuse(404, "RepoNotFound")

    def _repo(self, name: str, revision: str) -> tuple[str, Files] | None:
        """The commit and its files; None when a refusal has been sent."""
        repo = self.hub.repos.get(name)
        if repo is None or repo.problem is not None:
            self._refuse(*((404, "RepoNotFound") if repo is None else repo.problem or (500, "")))
            return None
        wanted = repo.main if revision == "main" else revision
        if wanted not in repo.commits:
            self._refuse(404, "RevisionNotFound")
            return None
        return wanted, repo.commits[wanted]

    def _list(self, name: str, revision: str) -> None:
        if found := self._repo(name, revision):
            siblings = [self._described(*each) for each in found[1].items()]
            self._answer(json.dumps({"id": name, "sha": found[0], "siblings": siblings}).encode())

    def _described(self, name: str, content: bytes) -> Mapping[str, Any]:
        size = self.hub.listed_bytes.get(name, len(content))
        blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        described = {"rfilename": name, "size": size, "blobId": blob}
        if name == "model.bin":
            return described | {"lfs": {"size": size, "sha256": sha256(content), "pointerSize": 130}}
        return described

    def _resolve(self, name: str, revision: str, file: str) -> None:
        if not (found := self._repo(name, revision)):
            return None
        content = self.hub.sent_instead.get(file, found[1][file])
        if file != "model.bin":
            return self._send(content)
        self.hub.stored[sha256(content)] = content
        self.send_response(302)
        self.send_header("Location", f"{self.hub.url}/stored/{sha256(content)}")
        self.send_header("Content-Length", "0")
        self.end_headers()
        return None

    def _send(self, content: bytes) -> None:
        begin = int(re.sub(r"bytes=(\d+)-.*", r"\1", self.headers.get("Range", "bytes=0-")))
        self.send_response(206 if "Range" in self.headers else 200)
        if "Range" in self.headers:
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - begin))
        self.end_headers()
        for place in range(begin, len(content), PIECE_BYTES):
            if self._stops_at(place):
                self.close_connection = True
                return
            self.wfile.write(content[place : place + PIECE_BYTES])

    def _stops_at(self, place: int) -> bool:
        """Whether the connection breaks here; where it is to hold it waits until told to go on."""
        hub = self.hub
        if hub.hold_after_bytes is not None and place >= hub.hold_after_bytes:
            assert hub.go_on.wait(HELD_SECONDS_MAX), "nobody said to go on"
        if hub.cut_once_after_bytes is not None and place >= hub.cut_once_after_bytes:
            hub.cut_once_after_bytes = None
            return True
        return False

    def _refuse(self, status: int, code: str) -> None:
        self._answer(b"{}", status, {"X-Error-Code": code} if code else {})

    def _answer(self, body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Clients that were killed are part of the test."""


@contextmanager
def running_hub() -> Iterator[Hub]:
    hub = Hub()
    server = _Quiet(("127.0.0.1", 0), type("Bound", (Answering,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield hub
    finally:
        hub.go_on.set()
        server.shutdown()
        thread.join()
        server.server_close()

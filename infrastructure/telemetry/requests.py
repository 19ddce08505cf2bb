"""Counts the requests a process answers, and times them, without a word about who asked."""

from typing import Final

from infrastructure.telemetry.metrics import HTTP_REQUEST_SECONDS, HTTP_REQUESTS, Answer, Route

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER: Final = "other"
"""What a client may make up does not become a label: the number of series stays bounded."""


def count_answer(method: str, route: str | None, status: int, seconds: float | None) -> None:
    """`route` is the pattern and never the path; None where no route took the request."""
    method = method if method in METHODS else OTHER
    route = route or OTHER
    HTTP_REQUESTS.add(Answer(method, route, str(status)))
    if seconds is not None:
        HTTP_REQUEST_SECONDS.observe(Route(method, route), seconds)

"""Counts the requests a process answers, and times them, without a word about who asked."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER: Final = "other"
"""What a client may make up does not become a label: the number of series stays bounded."""
SECONDS_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)


class RequestMeter:
    def __init__(self, registry: CollectorRegistry) -> None:
        self._answered = Counter(
            "stenolog_http_requests",
            "Requests answered, by route as the code names it.",
            ["method", "route", "status"],
            registry=registry,
        )
        self._seconds = Histogram(
            "stenolog_http_request_seconds",
            "From the end of a request's head to the beginning of its answer.",
            ["method", "route"],
            buckets=SECONDS_BUCKETS,
            registry=registry,
        )

    def answered(self, method: str, route: str | None, status: int, seconds: float | None) -> None:
        """`route` is the pattern and never the path; None where no route took the request."""
        method = method if method in METHODS else OTHER
        route = route or OTHER
        self._answered.labels(method, route, str(status)).inc()
        if seconds is not None:
            self._seconds.labels(method, route).observe(seconds)

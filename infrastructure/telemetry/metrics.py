"""Every metric there is, declared once; docs/metrics.md is made of this file by `python -m infrastructure.telemetry`."""

from typing import Final

from infrastructure.telemetry.kinds import (
    Counter,
    Histogram,
    Labels,
    NoLabels,
    ReadCounter,
    ReadGauge,
    counted_here,
)

COUNTED: Final = counted_here()
"""What this process counts, for as long as it runs."""
SECONDS_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)
COMMANDS_BUCKETS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Route(Labels, frozen=True):
    method: str
    route: str


class Answer(Labels, frozen=True):
    method: str
    route: str
    status: str


class Code(Labels, frozen=True):
    code: str


class Error(Labels, frozen=True):
    error: str


class Disk(Labels, frozen=True):
    disk: str


class Reason(Labels, frozen=True):
    reason: str


class Role(Labels, frozen=True):
    role: str


class Partition(Labels, frozen=True):
    partition: str


class Refusal(Labels, frozen=True):
    partition: str
    reason: str


class Place(Labels, frozen=True):
    projection: str
    partition: str


class Failing(Labels, frozen=True):
    projection: str
    partition: str
    address: str
    type: str
    error: str


HTTP_REQUESTS: Final = Counter(
    "http_requests", "Requests answered, by route as the code names it.", Answer, registry=COUNTED
)
HTTP_REQUEST_SECONDS: Final = Histogram(
    "http_request_seconds",
    "From the end of a request's head to the beginning of its answer.",
    Route,
    buckets=SECONDS_BUCKETS,
    registry=COUNTED,
)
PROBLEMS: Final = Counter(
    "problems",
    "Refusals and failures, by the code of the answer: `invalid_credentials` and `too_many_tries` are logins "
    "refused, `unavailable` is a part that did not answer, `internal_error` a fault of ours.",
    Code,
    registry=COUNTED,
)
INTERNAL_ERRORS: Final = Counter(
    "internal_errors",
    "Errors that no code expected, by their class; the log has each under its request's id. Should be 0.",
    Error,
    registry=COUNTED,
)
VERSION_CONFLICTS: Final = Counter(
    "version_conflicts",
    "Appends refused since another was first on the stream; their commands are decided again.",
    NoLabels,
    registry=COUNTED,
)
GROUP_COMMANDS: Final = Histogram(
    "group_commands",
    "Commands that shared one commit of the log.",
    NoLabels,
    buckets=COMMANDS_BUCKETS,
    registry=COUNTED,
)

FREE_BYTES: Final = ReadGauge(
    "free_bytes", "Room on the disks of this process: for uploads, and for objects in a folder.", Disk
)
DATABASE_ANSWERS: Final = ReadGauge(
    "database_answers", "Whether what follows could be read; without the database it is absent.", NoLabels
)
TRANSCRIPTIONS_QUEUED: Final = ReadGauge(
    "transcriptions_queued", "Transcriptions that wait for a worker.", NoLabels
)
TRANSCRIPTIONS_OLDEST_QUEUED_SECONDS: Final = ReadGauge(
    "transcriptions_oldest_queued_seconds",
    "How long ago the oldest of them was requested; 0 when none waits.",
    NoLabels,
)
TRANSCRIPTIONS_RUNNING: Final = ReadGauge(
    "transcriptions_running", "Attempts that workers carry out.", NoLabels
)
TRANSCRIPTIONS_REQUESTED: Final = ReadCounter(
    "transcriptions_requested", "Transcriptions that somebody asked for.", NoLabels
)
TRANSCRIPTIONS_COMPLETED: Final = ReadCounter(
    "transcriptions_completed", "Transcriptions that have their transcript.", NoLabels
)
TRANSCRIPTIONS_FAILED: Final = ReadCounter(
    "transcriptions_failed", "Transcriptions that failed for good, by the last attempt's reason.", Reason
)
TRANSCRIPTIONS_CANCELLED: Final = ReadCounter(
    "transcriptions_cancelled", "Transcriptions that their owner stopped.", NoLabels
)
ATTEMPTS_STARTED: Final = ReadCounter("attempts_started", "Attempts that were given to a worker.", NoLabels)
ATTEMPTS_FAILED: Final = ReadCounter(
    "attempts_failed",
    "Attempts that did not succeed, by reason; not all of them count as failures.",
    Reason,
)
WORKERS: Final = ReadGauge("workers", "Workers heard of a moment ago.", NoLabels)
WORKER_SLOTS: Final = ReadGauge("worker_slots", "Transcriptions that these workers do at once.", NoLabels)
PROCESSES: Final = ReadGauge("processes", "Processes that share the work of a role.", Role)
LOG_HEAD: Final = ReadGauge(
    "log_head", "The seq of the last event of each partition of the log.", Partition
)
RELAY_LAG_EVENTS: Final = ReadGauge(
    "relay_lag_events", "Events of the log that were not in Kafka when a relay last said so.", Partition
)
RELAY_LAG_SECONDS: Final = ReadGauge(
    "relay_lag_seconds", "Age of the oldest of them; 0 when there is none.", Partition
)
RELAY_REFUSING_SECONDS: Final = ReadGauge(
    "relay_refusing_seconds",
    "For how long a partition has not been relayed, since log and Kafka contradict each other, or an event in the clear waits to be sealed; absent when none.",
    Refusal,
)
PROJECTION_LAG_EVENTS: Final = ReadGauge(
    "projection_lag_events",
    "Events of the log that the projection has not folded, wherever on the way they are.",
    Place,
)
PROJECTION_LAG_SECONDS: Final = ReadGauge(
    "projection_lag_seconds",
    "Age of the oldest event of the log that the projection has not folded.",
    Place,
)
PROJECTION_FAILING_TRIES: Final = ReadGauge(
    "projection_failing_tries",
    "How often the event was tried at which the projection stands still; absent when there is none.",
    Failing,
)

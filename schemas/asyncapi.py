"""The AsyncAPI 3.0 document: every topic with its keys, headers, order, retention, and what is exactly-once for whom."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias, get_args

from msgspec import Struct

from schemas.checkpoints import EvidenceCheckpoint, RelayCheckpoint
from schemas.events import FORMS, EventType
from schemas.facts import FACT, TranscriptionFact
from schemas.json_schemas import components, event_path
from schemas.messages import Report
from schemas.topics import Topics, type_header

Part: TypeAlias = dict[str, Any]

ASYNCAPI: Final = "3.0.0"
VERSION: Final = "1.0.0"
_BINDING_VERSION: Final = "0.5.0"
_SCHEMAS: Final = "#/components/schemas/{name}"
_UUID: Final[Part] = {"type": "string", "format": "uuid"}
_ROUTED: Final = frozenset(
    {"TranscriptionStarted", "TranscriptionCancelled", "TranscriptionAttemptFailed", "AlignmentStarted"}
)
_MESSAGES_KEPT: Final = "604800000"
_TOPICS: Final = Topics()

DESCRIPTION: Final = """\
Every change of state of Stenolog is an event in an append-only log in PostgreSQL, and each of them is a message here, once and in order.

**Consume the events topic** with `isolation.level=read_committed`: it holds exactly the log then. A partition of the topic is a partition of the log, and in \
it `seq` counts from 1 without a gap, so that `(partition, seq)` is an event's address for ever: commit it together with what you make of the event, pass over \
what is not greater than what you have, and your results are exactly-once whatever is killed. Do not rely on offsets: a topic that was lost is filled again \
from the log with the same `seq` and other offsets.

**What names or describes a person is sealed** (`x-sealed` in the schemas): text that only Stenolog can open, and nobody any more once the person was erased. Only where evidence of \
before shows it is it in the clear, as version 1 of its type.

**Pass over what you do not know**: types, fields and headers are added at any time. What changes otherwise gets a new version, `TYPE.v2`, and is a type of \
its own.

The prefix `stenolog` of the topics' names is a setting (STENOLOG_TOPIC_PREFIX), and so is the number of partitions (STENOLOG_PARTITIONS, 8 by default), \
which never changes in a deployment."""

EVENT_HEADERS: Final[Part] = {
    "type": "object",
    "description": "CloudEvents 1.0, binary content mode. Header values are UTF-8; what the key or another header says is left out.",
    "properties": {
        "ce_specversion": {"const": "1.0"},
        "ce_id": {**_UUID, "description": "The event's id, UUID version 7."},
        "ce_type": {"type": "string", "description": "Name of the event, with `.v2` and so on from its second version."},
        "ce_source": {"const": "/stenolog"},
        "ce_time": {"type": "string", "format": "date-time", "description": "When the log recorded it."},
        "ce_subject": {"type": "string", "description": "The stream: `transcription-…`, `quota-…`, `file-…`, `user-…`, `api_keys-…`."},
        "seq": {"type": "string", "pattern": "^[1-9][0-9]*$", "description": "Place in the log's partition, without a gap."},
        "version": {"type": "string", "pattern": "^[1-9][0-9]*$", "description": "Place in the stream, without a gap."},
        "actor": {"type": "string", "description": "Who caused it: `user` is the user of the message's key, `api_key:…` one of their API keys."},
        "correlation_id": {**_UUID, "description": "The same for all that followed from one request."},
        "causation_id": {**_UUID, "description": "The event that caused it."},
        "request_id": {"type": "string", "description": "The request's id; empty where it is the correlation id."},
        "traceparent": {"type": "string", "description": "W3C Trace Context of the request."},
    },
    "required": ["ce_specversion", "ce_id", "ce_type", "ce_source", "ce_time", "ce_subject", "seq", "version", "actor", "correlation_id"],
}  # fmt: skip
JOB_HEADERS: Final[Part] = {
    **EVENT_HEADERS,
    "properties": {
        **EVENT_HEADERS["properties"],
        "partition": {
            "type": "string",
            "pattern": "^[0-9]+$",
            "description": "The log's, in which `seq` counts.",
        },
    },
    "required": [*EVENT_HEADERS["required"], "partition"],
}


FACT_HEADERS: Final[Part] = {
    **EVENT_HEADERS,
    "properties": {
        **{
            name: EVENT_HEADERS["properties"][name]
            for name in ("ce_specversion", "ce_id", "ce_time", "ce_subject", "seq", "version")
        },
        "ce_type": {"const": FACT},
        "ce_source": {"const": "/stenolog/facts"},
    },
    "required": [
        "ce_specversion",
        "ce_id",
        "ce_type",
        "ce_source",
        "ce_time",
        "ce_subject",
        "seq",
        "version",
    ],
}
"""Of the last event that made it what it is."""


class Channel(Struct, frozen=True, kw_only=True):
    """A topic; `messages` are names of components, `configuration` that of the topic."""

    topic: str
    key: str
    description: str
    messages: Sequence[str]
    configuration: Mapping[str, Any]


def _events() -> Mapping[str, EventType]:
    """By names that AsyncAPI takes, in which is no dot."""
    return {type_header(kind.name, kind.schema_version).replace(".", "-"): kind for kind in FORMS}


CHANNELS: Final[Mapping[str, Channel]] = {
    "events": Channel(
        topic=_TOPICS.events,
        key="user id",
        description="The log, partition by partition. Everything that belongs to one user is in one partition and in order. Each event is there once "
        "for who reads committed messages alone; kept for ever unless the deployment says otherwise.",
        messages=list(_events()),
        configuration={"cleanup.policy": ["delete"], "retention.ms": -1},
    ),
    "jobs": Channel(
        topic=_TOPICS.jobs,
        key="worker id",
        description="What a worker has to do or to stop, written by the relay in the transaction of the event; of a worker's messages in order. "
        "Only who works reads it.",
        messages=[f"job-{name}" for name, kind in _events().items() if kind.name in _ROUTED],
        configuration={"cleanup.policy": ["delete"], "retention.ms": int(_MESSAGES_KEPT)},
    ),
    "reports": Channel(
        topic=_TOPICS.reports,
        key="worker id",
        description="What workers say. At least once: a report may come twice, or never; leases make that good.",
        messages=[cls.__name__ for cls in get_args(Report)],
        configuration={"cleanup.policy": ["delete"], "retention.ms": int(_MESSAGES_KEPT)},
    ),
    "checkpoints": Channel(
        topic=_TOPICS.checkpoints,
        key="partition of the log",
        description="How far the relay has come, written every few seconds. For relays; consumers keep their own.",
        messages=[RelayCheckpoint.__name__],
        configuration={"cleanup.policy": ["compact"]},
    ),
    "evidence": Channel(
        topic=_TOPICS.evidence,
        key="partition of the log",
        description="What of the log is sealed: a signed checkpoint for each partition, some seconds after events were appended. Sizes grow; a message may "
        "come twice. For auditors, who keep them.",
        messages=[EvidenceCheckpoint.__name__],
        configuration={"cleanup.policy": ["delete"], "retention.ms": -1},
    ),
    "transcriptions": Channel(
        topic=_TOPICS.facts,
        key="transcription id",
        description="What each transcription is at this moment, for who does not want its events; nothing in it names a person. A message is written once for "
        "each change, some of which may be put together, in the partition of the events and in their order, after them in time; without a value the transcription is deleted. "
        "The topic can be made again at any time: it is filled from the log.",
        messages=[TranscriptionFact.__name__],
        configuration={"cleanup.policy": ["compact"], "delete.retention.ms": int(_MESSAGES_KEPT)},
    ),
    "dead-letters": Channel(
        topic=_TOPICS.dead_letters,
        key="as the original",
        description="Messages that nobody can read, whole, with two headers more that say where they were and why. For people.",
        messages=["DeadLetter"],
        configuration={"cleanup.policy": ["delete"], "retention.ms": -1},
    ),
}  # fmt: skip


def document() -> Part:
    return {
        "asyncapi": ASYNCAPI,
        "info": {"title": "Stenolog's topics", "version": VERSION, "description": DESCRIPTION},
        "defaultContentType": "application/json",
        "channels": {name: _channel(channel) for name, channel in CHANNELS.items()},
        "operations": {
            f"read-{name}": {"action": "receive", "channel": {"$ref": f"#/channels/{name}"}} for name in CHANNELS
        },
        "components": {"messages": _messages(), "schemas": _schemas()},
    }  # fmt: skip


def _channel(channel: Channel) -> Part:
    return {
        "address": channel.topic,
        "description": f"{channel.description} Key: {channel.key}.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in channel.messages},
        "bindings": {
            "kafka": {
                "topic": channel.topic,
                "topicConfiguration": dict(channel.configuration),
                "bindingVersion": _BINDING_VERSION,
            }
        },
    }


def _messages() -> Mapping[str, Part]:
    events = {name: _event(kind, EVENT_HEADERS) for name, kind in _events().items()}
    jobs = {
        name: _event(_events()[name.removeprefix("job-")], JOB_HEADERS)
        for name in CHANNELS["jobs"].messages
    }
    reports = {cls.__name__: _message(cls.__name__, _UUID) for cls in get_args(Report)}
    checkpoints = {
        cls.__name__: _message(cls.__name__, {"type": "string", "pattern": "^[0-9]+$"})
        for cls in (RelayCheckpoint, EvidenceCheckpoint)
    }
    others = {TranscriptionFact.__name__: _fact(), "DeadLetter": _dead_letter()}
    return events | jobs | reports | checkpoints | others


def _event(kind: EventType, headers: Part) -> Part:
    title = f"{kind.name}, version {kind.schema_version}; its data alone: {event_path(kind)}"
    return {
        **_message(FORMS[kind].stored.__name__, _UUID),
        "name": type_header(kind.name, kind.schema_version),
        "title": title,
        "headers": headers,
    }


def _message(schema: str, key: Part) -> Part:
    return {
        "name": schema,
        "payload": {"$ref": _SCHEMAS.format(name=schema)},
        "bindings": {"kafka": {"key": key, "bindingVersion": _BINDING_VERSION}},
    }


def _fact() -> Part:
    """Without a value where the transcription is deleted."""
    message = _message(TranscriptionFact.__name__, _UUID)
    return {
        **message,
        "headers": FACT_HEADERS,
        "payload": {"oneOf": [message["payload"], {"type": "null"}]},
    }


def _dead_letter() -> Part:
    return {
        "name": "DeadLetter",
        "contentType": "application/octet-stream",
        "headers": {
            "type": "object",
            "properties": {
                "dead_letter_from": {"type": "string", "description": "topic:partition:offset"},
                "dead_letter_reason": {"type": "string"},
            },
            "required": ["dead_letter_from", "dead_letter_reason"],
        },
    }


def _schemas() -> Mapping[str, Part]:
    stored = [form.stored for form in FORMS.values()]
    types = [*stored, *get_args(Report), RelayCheckpoint, EvidenceCheckpoint, TranscriptionFact]
    return {name: _as_draft_7(schema) for name, schema in components(types, _SCHEMAS).items()}


def _as_draft_7(schema: Any) -> Any:
    """What AsyncAPI's own schemas are; of what we use only tuples are written otherwise in 2020-12."""
    match schema:
        case {"prefixItems": prefix, "items": more, **rest}:
            return {**_as_draft_7(rest), "items": _as_draft_7(prefix), "additionalItems": more}
        case dict():
            return {name: _as_draft_7(each) for name, each in schema.items()}
        case list():
            return [_as_draft_7(each) for each in schema]
        case _:
            return schema

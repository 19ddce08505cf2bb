"""Whether a Kafka message is what the committed AsyncAPI document promises, as a consumer who has only that would see it."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any, Final, Protocol

import msgspec
from jsonschema import Draft7Validator, FormatChecker

from infrastructure.settings import Settings
from schemas.documents import ASYNCAPI, FOLDER
from tests.infrastructure.kafka.messages import committed

DOCUMENT: Final[Mapping[str, Any]] = msgspec.json.decode((FOLDER / ASYNCAPI).read_bytes())
CHANNELS: Final = tuple(DOCUMENT["channels"])


class Message(Protocol):
    """As aiokafka has it."""

    @property
    def key(self) -> bytes | None: ...

    @property
    def value(self) -> bytes | None: ...

    @property
    def headers(self) -> Iterable[tuple[str, bytes]]: ...


async def breaches_in(settings: Settings) -> tuple[int, list[str]]:
    """How many messages all topics hold, and what of them is not as promised."""
    brokers, count, found = settings.kafka_bootstrap, 0, list[str]()
    for channel in CHANNELS:
        messages = await committed(brokers, topic_of(channel, settings.topic_prefix))
        count, found = count + len(messages), [*found, *breaches(channel, messages)]
    return count, found


def topic_of(channel: str, prefix: str) -> str:
    address: str = DOCUMENT["channels"][channel]["address"]
    return prefix + address.removeprefix("stenolog")


def breaches(channel: str, messages: Iterable[Message]) -> Iterator[str]:
    """What is not as promised, a line each; the content of a message is not repeated."""
    for message in messages:
        headers = {name: value.decode() for name, value in message.headers}
        name = _name_in(channel, message, headers)
        if name not in DOCUMENT["channels"][channel]["messages"]:
            yield f"{channel}: a message {name!r} is not in the document"
            continue
        yield from (f"{channel}, {name}: {breach}" for breach in _breaches(name, message, headers))


def _name_in(channel: str, message: Message, headers: Mapping[str, str]) -> str:
    match channel:
        case "events":
            return headers.get("ce_type", "").replace(".", "-")
        case "jobs":
            return f"job-{headers.get('ce_type', '').replace('.', '-')}"
        case "reports":
            return str(msgspec.json.decode(message.value or b"{}").get("type"))
        case _:
            [only] = DOCUMENT["channels"][channel]["messages"]
            return str(only)


def _breaches(name: str, message: Message, headers: Mapping[str, str]) -> Iterator[str]:
    promised = DOCUMENT["components"]["messages"][name]
    if "payload" in promised:
        yield from _invalid(
            "value", _validator(name, "payload"), msgspec.json.decode(message.value or b"null")
        )
    if "headers" in promised:
        yield from _invalid("headers", _validator(name, "headers"), headers)
        yield from (
            f"header {extra} is not in the document"
            for extra in headers.keys() - promised["headers"]["properties"]
        )
    if "bindings" in promised:
        key = message.key.decode() if message.key is not None else None
        yield from _invalid("key", _validator(name, "key"), key)  # fmt: skip


def _invalid(part: str, validator: Draft7Validator, found: object) -> Iterator[str]:
    for error in validator.iter_errors(found):
        yield f"{part}{error.json_path.removeprefix('$')} is not {error.validator}: {error.validator_value}"


@cache
def _validator(name: str, part: str) -> Draft7Validator:
    promised = DOCUMENT["components"]["messages"][name]
    schema = promised["bindings"]["kafka"]["key"] if part == "key" else promised[part]
    whole = {**schema, "components": DOCUMENT["components"]}
    return Draft7Validator(whole, format_checker=FormatChecker())

"""What somebody brings along to `stenolog up`, which then starts only what is missing."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from embedded.brokers import VARIABLE as BROKER_VARIABLE
from embedded.brokers import Choice, broker_choice
from infrastructure.settings import PREFIX, InvalidSetting

DATABASE: Final = f"{PREFIX}DATABASE_URL"
OBJECTS: Final = f"{PREFIX}OBJECT_STORE"
KAFKA: Final = f"{PREFIX}KAFKA_BOOTSTRAP"
HOST: Final = f"{PREFIX}HOST"


class Given(Struct, frozen=True, kw_only=True):
    """Whether there is a database and an object store, and which Kafka to take."""

    database: bool
    object_store: bool
    broker: Choice


def given(environment: Mapping[str, str]) -> Given:
    """By the variables that are set. Raises InvalidSetting for those that contradict each other."""
    for name in (DATABASE, OBJECTS, KAFKA, HOST):
        if not environment.get(name, "set").strip():
            raise InvalidSetting(f"{name} is empty: unset it, or say what it is to be")
    return Given(
        database=DATABASE in environment, object_store=OBJECTS in environment, broker=_broker(environment)
    )


def _broker(environment: Mapping[str, str]) -> Choice:
    choice = broker_choice(environment)
    if KAFKA not in environment:
        return choice
    if choice in ("", "external"):
        return "external"
    raise InvalidSetting(
        f"{KAFKA} names a Kafka and {BROKER_VARIABLE}={choice} asks for one of our own: unset one of them"
    )


def without_given(environment: Mapping[str, str]) -> dict[str, str]:
    """For whoever is to leave nothing behind: everything is started, and nobody's data is touched."""
    given_names = (DATABASE, OBJECTS, KAFKA, HOST, BROKER_VARIABLE)
    names = {*given_names} if environment.get(BROKER_VARIABLE) == "external" else {*given_names[:-1]}
    return {name: value for name, value in environment.items() if name not in names}

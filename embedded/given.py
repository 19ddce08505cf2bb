"""What somebody brings along to `stenolog up`, which then starts only what is missing."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from embedded.brokers import VARIABLE as BROKER_VARIABLE
from embedded.brokers import Choice, broker_choice
from infrastructure.settings import PREFIX, InvalidSetting, Settings

DATABASE: Final = f"{PREFIX}DATABASE_URL"
OBJECTS: Final = f"{PREFIX}OBJECT_STORE"
KAFKA: Final = f"{PREFIX}KAFKA_BOOTSTRAP"
HOST: Final = f"{PREFIX}HOST"
SECURITY: Final = f"{PREFIX}KAFKA_SECURITY"
ENCRYPTION: Final = tuple(PREFIX + name for name in ("TLS_CERT", "TLS_KEY", "REQUIRE_ENCRYPTION"))
OF_KAFKA: Final = tuple(PREFIX + f"KAFKA_{name}" for name in ("CA", "USERNAME", "PASSWORD", "CERT", "KEY"))


class Given(Struct, frozen=True, kw_only=True):
    """Whether there is a database and an object store, and which Kafka to take."""

    database: bool
    object_store: bool
    broker: Choice


def given(environment: Mapping[str, str]) -> Given:
    """By the variables that are set. Raises InvalidSetting for those that contradict each other."""
    if SECURITY in environment and KAFKA not in environment:
        raise InvalidSetting(f"{SECURITY} is for a Kafka of yours: say where that is with {KAFKA}")
    for name in (DATABASE, OBJECTS, KAFKA, HOST):
        if not environment.get(name, "set").strip():
            raise InvalidSetting(f"{name} is empty: unset it, or say what it is to be")
    return Given(
        database=DATABASE in environment, object_store=OBJECTS in environment, broker=_broker(environment)
    )


def require_in_the_clear(settings: Settings) -> None:
    """What `up` starts itself is spoken to in the clear, on this machine. Raises InvalidSetting."""
    wanted = (settings.tls_cert, settings.tls_key, settings.require_encryption)
    for name, value in zip(ENCRYPTION, wanted, strict=True):
        if value:
            raise InvalidSetting(
                f"{name}: `stenolog up` serves http on this machine; unset it, or start the processes one by one"
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
    names = {DATABASE, OBJECTS, KAFKA, HOST, SECURITY, *ENCRYPTION, *OF_KAFKA}
    if environment.get(BROKER_VARIABLE) == "external":
        names.add(BROKER_VARIABLE)
    return {name: value for name, value in environment.items() if name not in names}

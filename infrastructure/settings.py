"""Settings: one frozen struct read from `STENOLOG_*` variables and validated once, at start."""

import os
import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from infrastructure.mendable import Mendable

PREFIX: Final = "STENOLOG_"
PORT_MAX: Final = 65_535

_HOST: Final = re.compile(r"[\w.-]+|\[[0-9A-Fa-f:.]+\]")

PositiveInt = Annotated[int, Meta(gt=0)]
PositiveFloat = Annotated[float, Meta(gt=0)]


ORIGINS_PATTERN: Final = r"^[\s,]*(https?://[a-z0-9._:\[\]-]+([\s,]+|$))*$"


class InvalidSetting(Mendable):
    """A variable is missing or has a value nobody could mean; the message names it."""


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where everything is and how much of it is allowed. The variable of `database_url` is STENOLOG_DATABASE_URL."""

    database_url: str = "postgresql://stenolog@127.0.0.1:5432/stenolog"
    kafka_bootstrap: str = "127.0.0.1:9092"
    kafka_security: Literal["plaintext", "ssl", "sasl_ssl"] = "plaintext"
    """Over TLS, and with a login by SCRAM-SHA-512; a login in the clear is none of the choices."""
    kafka_ca: str = ""
    """A PEM file with the authorities that sign brokers' certificates; empty takes the system's."""
    kafka_username: str = ""
    kafka_password: str = ""
    kafka_cert: str = ""
    kafka_key: str = ""
    """What we show to brokers that want a certificate of us, as PEM files."""
    kafka_compression: Literal["none", "lz4", "zstd"] = "none"
    """Of what the relay sends. Readers find out by themselves; those of others need the same codec."""
    require_encryption: bool = False
    """Refuses at start whatever this process would say in the clear."""
    object_store: str = "file:///var/lib/stenolog/objects"
    jwt_secret: str = ""
    """Signs the tokens; every API process needs the same one, of at least 32 characters."""
    token_lifetime_seconds: PositiveInt = 24 * 3600
    engine: Literal["faster-whisper", "riva", "scripted"] = "faster-whisper"
    model: str = ""
    """A folder with a CTranslate2 Whisper model, or its name: `base` and `tiny.en` are packaged; empty takes base."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    compute_type: Literal[
        "auto",
        "int8",
        "int8_float32",
        "int8_float16",
        "int8_bfloat16",
        "int16",
        "float16",
        "bfloat16",
        "float32",
    ] = "auto"
    """What Whisper computes in: automatically float16 on a GPU, int8 on the CPU."""
    cpu_threads: Annotated[int, Meta(ge=1, le=256)] = 1
    """For each engine. Two made Whisper slower than one."""
    batch: Literal["auto"] | Annotated[int, Meta(ge=1, le=64)] = "auto"
    """How many chunks of speech Whisper hears at once: automatically 8 on a GPU, one after the other on the CPU."""
    riva_address: str = "127.0.0.1:50051"
    riva_tls: bool = False
    riva_ca: str = ""
    """A PEM file with the authorities that sign the server's certificate; empty takes those that gRPC brings along."""
    riva_cert: str = ""
    riva_key: str = ""
    """What we show to a server that wants a certificate of us, as PEM files."""
    riva_metadata: str = ""
    """Goes with every call, and may be secret: `authorization=Bearer …, function-id=…`."""
    riva_model: str = ""
    """Empty lets the server choose by the language."""
    riva_deadline_seconds: Annotated[float, Meta(ge=1, le=240)] = 120.0
    """For the answer to one call. An engine process that says nothing for five minutes is ended."""
    riva_message_bytes_max: Annotated[int, Meta(ge=262_144, le=1 << 30)] = 4 << 20
    """What gRPC's servers take unless they are told otherwise: two minutes of sound."""
    riva_punctuation: bool = True
    riva_boost: Annotated[float, Meta(ge=0, le=100)] = 20.0
    """How strongly a request's vocabulary is preferred to what sounds alike."""
    topic_prefix: Annotated[str, Meta(pattern=r"^[a-z0-9._-]{1,100}$")] = "stenolog"
    """Topics are called `<prefix>.events.v2` and so on; deployments that share a Kafka differ in it."""
    partitions: Annotated[int, Meta(ge=1, le=256)] = 8
    free_minutes: Annotated[int, Meta(ge=0)] = 60
    upload_max_bytes: PositiveInt = 2 * 1024**3
    uploads_per_user: PositiveInt = 20
    spool_max_bytes: Annotated[int, Meta(ge=0)] = 0
    """What uploads on their way may take of the disk in all processes of one API; 0: eight times the largest upload."""
    media_seconds_max: PositiveFloat = 10 * 3600.0
    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 8000
    api_workers: Literal["auto"] | Annotated[int, Meta(ge=1, le=64)] = 1
    """How many processes of the API serve behind its port: automatically one for each core."""
    worker_slots: Annotated[int, Meta(ge=1, le=64)] = 1
    lease_seconds: PositiveFloat = 3.0
    """How long a process may be silent before others take its partitions."""
    attempt_lease_seconds: PositiveFloat = 15.0
    """How long an attempt may go without a report before it counts as failed."""
    ready_interval_seconds: PositiveFloat = 2.0
    """How often a worker says that it is there."""
    cors_origins: Annotated[str, Meta(pattern=ORIGINS_PATTERN)] = ""
    """Web pages that may use the API from a browser, as `https://name[:port]`, separated by commas or spaces."""
    erasure_settle_seconds: PositiveFloat = 70.0
    """How long after somebody asked to be erased what they did before may still arrive; then all of it is deleted once more."""
    query_seconds: PositiveFloat = 3.0
    """How long a client's query may take, the wait for a connection included, before it is answered 503."""
    consistency_wait_seconds: Annotated[float, Meta(ge=0)] = 2.0
    master_keys: str = ""
    """Wrap the keys of people, as `NAME=BASE64,NAME=BASE64`: the first one does, the others did before."""
    seal_keys: str = ""
    """Sign the checkpoints of the evidence, as `id:key,id:key`: the first one does, the others did before."""
    seal_seconds: PositiveFloat = 10.0
    """The least between two checkpoints of a partition."""
    evidence_token: str = ""
    """Whoever bears it may read sealed entries, which hold what the events hold; without one nobody may, over HTTP."""
    login_attempts_per_minute: PositiveInt = 10
    tls_cert: str = ""
    tls_key: str = ""
    """PEM files: with them the API speaks https itself. They are read again when they change."""
    trusted_proxies: str = ""
    """Addresses and networks whose Forwarded and X-Forwarded-For say where a request comes from."""
    window_seconds: Literal["auto"] | Annotated[float, Meta(ge=5, le=900)] = "auto"
    """About how much sound lies between two checkpoints of a job: automatically a minute, and five to ten with a batch."""
    scripted_speed: PositiveFloat = 1000.0
    """Seconds of sound that the scripted engine gets through in a second."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    def __repr__(self) -> str:
        """Without secrets, wherever it is shown."""
        shown = (
            f"{field.name}={'…' if field.name in SECRETS else repr(getattr(self, field.name))}"
            for field in msgspec.structs.fields(self)
        )
        return f"Settings({', '.join(shown)})"


SECRETS: Final = frozenset(
    {
        "database_url",
        "kafka_password",
        "jwt_secret",
        "riva_metadata",
        "master_keys",
        "seal_keys",
        "evidence_token",
    }
)
_NAMES: Final = {PREFIX + field.encode_name.upper(): field for field in msgspec.structs.fields(Settings)}
_ELSEWHERE: Final = frozenset(
    PREFIX + name for name in ("BROKER", "CACHE", "URL", "EMAIL", "PASSWORD", "TOKEN", "API_KEY")
)
"""Read by `stenolog up`, which decides what the settings of the processes are, and by the commands of a client."""


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Raises InvalidSetting, naming the variable."""
    values: dict[str, object] = {}
    for name, text in environment.items():
        if name.startswith(PREFIX) and name not in _ELSEWHERE:
            field = _NAMES.get(name)
            if field is None:
                raise InvalidSetting(f"{name} is no setting; there are {', '.join(sorted(_NAMES))}")
            values[field.name] = _convert(name, text, field.type)
            if field.name == "kafka_bootstrap":
                _require_brokers(name, text)
    return Settings(**values)  # type: ignore[arg-type]  # each value was converted to its field's type


def _convert(name: str, text: str, kind: object) -> object:
    try:
        return msgspec.convert(text, kind, strict=False)
    except msgspec.ValidationError as problem:
        raise InvalidSetting(f"{name}: {problem}") from problem


def _require_brokers(name: str, text: str) -> None:
    """Each as host:port, an IPv6 address in brackets; aiokafka takes port 9092 for what it cannot read."""
    for broker in text.split(","):
        host, _, port = broker.strip().rpartition(":")
        is_host = bool(_HOST.fullmatch(host))
        if not (is_host and port.isascii() and port.isdecimal() and 0 < int(port) <= PORT_MAX):
            raise InvalidSetting(f"{name}: {broker!r} is no broker: give host:port, or host:port,host:port")


def to_environment(settings: Settings) -> dict[str, str]:
    """The variables that make `read_settings` return these settings in a child process."""
    return {
        PREFIX + field.name.upper(): str(getattr(settings, field.name))
        for field in msgspec.structs.fields(Settings)
    }

"""What the routes need from the world, put together once per process."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from uuid import UUID

from prometheus_client.core import Metric as Family

from api.attempts import Attempts
from api.consistency import ReadModelProgress
from api.database import Reading
from api.export_room import ExportRoom
from api.health import Health
from api.kept import Kept
from api.known_keys import KnownKeys
from api.known_users import KnownUsers
from api.live import Live
from api.passwords import Passwords
from api.reads import Reads
from api.requests import AnonymousRequest
from api.share import Share
from api.source import TrustedProxies
from api.tokens import Tokens
from api.transcript_texts import TranscriptTexts
from api.upload_room import UploadRoom
from domain.languages import Abilities
from domain.ports import Clock, Credentials, EventStore, ObjectStore
from infrastructure.media.probe import MediaFacts
from infrastructure.postgres.api_key_uses import PostgresApiKeyUses
from infrastructure.postgres.own_events import PostgresOwnEvents
from infrastructure.postgres.pool import Pool
from infrastructure.settings import Settings
from schemas.sealing import KeyRing

Probe: TypeAlias = Callable[[Path, UUID], Awaitable[MediaFacts]]
"""Measures an upload of a user. Raises UnreadableMedia or Overloaded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """`read_models` is a pool whose connections find the tables of the projections."""

    settings: Settings
    clock: Clock
    store: EventStore
    credentials: Credentials
    objects: ObjectStore
    attempts: Attempts
    proxies: TrustedProxies
    read_models: Pool
    reading: Reading
    reads: Reads
    abilities: Kept[Abilities]
    engines: Kept[Sequence[str]]
    progress: ReadModelProgress
    passwords: Passwords
    tokens: Tokens
    known_users: KnownUsers
    known_keys: KnownKeys
    key_uses: PostgresApiKeyUses
    texts: TranscriptTexts
    live: Live
    probe: Probe
    spool: Path
    upload_room: UploadRoom
    own_events: PostgresOwnEvents
    person_keys: KeyRing
    export_room: ExportRoom
    health: Health
    metrics: Kept[Sequence[Family]]
    share: Share


def provide_parts(request: AnonymousRequest) -> Parts:
    """From the request, since of an application's state each who asks for it is made a copy."""
    parts: Parts = request.app.state.parts
    return parts

"""Names of models: OpenAI's, which all mean whatever model runs here, and our own, which mean that one alone."""

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final
from uuid import UUID

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath

from api.abilities import KEEP_SECONDS, WORKER_SILENCE_SECONDS_MAX
from api.database import Reading
from api.kept import Kept
from api.openai_audio.described import refusals
from api.openai_audio.refusals import ModelNotFound
from api.parts import Parts
from domain.transcription import TRANSCRIPTION
from domain.transcription_events import TranscriptionCompleted
from infrastructure.postgres.queries import load_queries
from schemas.audio_bodies import AudioModel, AudioModels
from schemas.events import decode
from schemas.partitions import partition_of
from schemas.sealing import BLIND

OPENAI_NAMES: Final = (
    "whisper-1",
    "gpt-transcribe",
    "gpt-4o-transcribe",
    "gpt-4o-mini-transcribe",
    "gpt-4o-mini-transcribe-2025-12-15",
)
OWNER: Final = "stenolog"
NAME_CHARACTERS_MAX: Final = 200

_OPENAI: Final = re.compile(r"whisper-1|gpt-(4o-|4o-mini-)?transcribe(-\d{4}-\d{2}-\d{2})?")
_ENGINE: Final = re.compile(r"[^/]+/(.+)@[0-9a-f]{12}(/.*)?")
"""`faster-whisper/base@d01c3014881c/int8`: what opens the model, its name, its content, and how it computes."""
_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))


def kept_engines(reading: Reading) -> Kept[Sequence[str]]:
    """Of the workers seen lately; where they cannot be read, each asks anew."""
    return Kept(partial(_engines, reading), KEEP_SECONDS, keep_failures=False)


async def _engines(reading: Reading) -> Sequence[str]:
    async with reading() as connection:
        rows = await connection.fetch(_SQL["seen"], WORKER_SILENCE_SECONDS_MAX)
    return [row["engine"] for row in rows]


def name_of(engine: str) -> str:
    """Of its model."""
    match = _ENGINE.fullmatch(engine)
    return match[1] if match else engine


def names_of(engines: Sequence[str]) -> list[str]:
    """What a client may call the model by: first what it really is."""
    return list(dict.fromkeys([*map(name_of, engines), *OPENAI_NAMES]))


def require_model(name: str, engines: Sequence[str]) -> None:
    """Raises ModelNotFound. While no worker is there nothing is known of our own names, and any is taken."""
    if _OPENAI.fullmatch(name) or not engines or name in names_of(engines):
        return
    shown = name[:NAME_CHARACTERS_MAX]
    raise ModelNotFound(f"No model {shown!r} runs here: send one of {', '.join(names_of(engines))}")


async def engine_of(parts: Parts, transcription_id: UUID, user_id: UUID) -> str:
    """That completed it. Empty when the log does not say, which would be a transcription that is not completed."""
    partition = partition_of(user_id, parts.settings.partitions)
    async with parts.reading() as connection:
        row = await connection.fetchrow(
            _SQL["completed"], partition, TRANSCRIPTION.stream_id(transcription_id)
        )
    if row is None:
        return ""
    event = decode(TranscriptionCompleted.__name__, row["schema_version"], row["data"], keys=BLIND)
    assert isinstance(event, TranscriptionCompleted)
    return event.result.engine


@get("/models", responses=refusals(401, 503), tags=["openai"])
async def list_models(parts: NamedDependency[Parts]) -> AudioModels:
    """The names that a request may have for its model."""
    names = names_of(await parts.engines.answer())
    return AudioModels(data=[_body(name) for name in names])


@get("/models/{name:path}", responses=refusals(401, 404, 503), tags=["openai"])
async def get_model(name: FromPath[str], parts: NamedDependency[Parts]) -> AudioModel:
    """One of these names, if a request may have it."""
    name = name.strip("/")
    names = names_of(await parts.engines.answer())
    if name not in names and not _OPENAI.fullmatch(name):
        raise ModelNotFound(f"No model {name[:NAME_CHARACTERS_MAX]!r} here: there are {', '.join(names)}")
    return _body(name)


def _body(name: str) -> AudioModel:
    return AudioModel(id=name, owned_by=OWNER)

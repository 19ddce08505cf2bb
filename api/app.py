"""The composition root of the API: which routes there are, and what they work with."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final
from uuid import uuid4

from litestar import Litestar, Router
from litestar.di import Provide

from api import (
    accounts,
    api_keys,
    consistency,
    contents,
    contracts,
    edits,
    errors,
    evidence,
    files,
    health,
    history,
    live_routes,
    metrics,
    openapi,
    person_export,
    problem_pages,
    quota,
    revisions,
    search,
    transcriptions,
    transcripts,
)
from api.abilities import kept_abilities
from api.admission import admit_request
from api.attempts import Attempts
from api.border import Api
from api.cross_origin import origins_of
from api.database import Reading, reading
from api.export_room import EXPORTS_AT_ONCE, ExportRoom
from api.known_keys import KnownKeys
from api.known_keys import look_in as keys_in
from api.known_users import KnownUsers, look_in
from api.live import Live
from api.live_looks import DatabaseLooks
from api.openai_audio import models, routes
from api.openapi_completing import OPENAPI
from api.parts import Parts, Probe, provide_parts
from api.passwords import Passwords, threads_at_most
from api.probing import PROBES_AT_ONCE, SLOW_AT_ONCE, ProbeQueue
from api.reads import reads_of
from api.requests import OwnWords, provide_caller
from api.scopes import asking
from api.share import ALONE, Share
from api.source import TrustedProxies
from api.system_metrics import SystemMetrics
from api.tokens import SECRET_CHARACTERS_MIN, Tokens
from api.transcript_texts import TranscriptTexts
from api.upload_room import SPOOLED_UPLOADS_MAX, UploadRoom
from api.upload_table import UploadTable
from api.window_texts import WindowTexts
from domain.ports import ObjectStore
from infrastructure.clock import SystemClock
from infrastructure.media.probe import ProbeLimits, probe
from infrastructure.media.sandbox_gaps import sandbox_gaps
from infrastructure.object_store import folder_of, open_object_store
from infrastructure.postgres.api_key_uses import PostgresApiKeyUses
from infrastructure.postgres.credentials import PostgresCredentials
from infrastructure.postgres.known_sources import PostgresKnownSources
from infrastructure.postgres.own_events import PostgresOwnEvents
from infrastructure.postgres.person_keys import PostgresPersonKeys, fitting_person_keys
from infrastructure.postgres.pool import Pool, create_pool
from infrastructure.postgres.rate_limits import PostgresRateLimit
from infrastructure.postgres.store import PostgresEventStore
from infrastructure.scratch import open_scratch, remove_leftovers, scratch_root
from infrastructure.settings import InvalidSetting, Settings

BASE_PATH: Final = "/v1"
BODY_BYTES_MAX: Final = 64 << 10
"""Of every request but uploads and edited texts, whose routes have limits of their own."""
CONNECTIONS_MAX: Final = 16
"""To the database, of all processes of one API together."""
CONNECTIONS_MIN: Final = 4
"""In each of them: fewer would have requests wait for one another."""

OpenParts = Callable[[Settings], AbstractAsyncContextManager[Parts]]


@asynccontextmanager
async def open_parts(settings: Settings, share: Share = ALONE) -> AsyncIterator[Parts]:
    """The real ones, as large as the share of this process. Raises InvalidSetting, or DatabaseProblem."""
    proxies = TrustedProxies(settings.trusted_proxies)
    async with (
        await create_pool(
            settings.database_url,
            application_name="stenolog api",
            size_max=share.part_of(CONNECTIONS_MAX, CONNECTIONS_MIN),
        ) as pool,
        _opened_log(pool, settings) as (store, person_keys),
        open_object_store(settings.object_store, encrypted=settings.require_encryption) as objects,
        _live(partial(reading, pool, settings.query_seconds), objects, settings) as live,
        consistency.ReadModelProgress(pool, live) as progress,
        _spool() as spool,
    ):
        clock = SystemClock()
        ask = partial(reading, pool, settings.query_seconds)
        disks = _disks(settings, spool)
        key_uses = PostgresApiKeyUses(pool)
        yield Parts(
            settings=settings,
            clock=clock,
            store=store,
            credentials=PostgresCredentials(pool, settings.partitions, store.announce, person_keys),
            objects=objects,
            attempts=Attempts(
                PostgresRateLimit(pool), PostgresKnownSources(pool), settings.login_attempts_per_minute
            ),
            proxies=proxies,
            read_models=pool,
            reading=ask,
            reads=reads_of(ask),
            abilities=kept_abilities(ask),
            engines=models.kept_engines(ask),
            progress=progress,
            passwords=Passwords(threads=share.part_of(threads_at_most())),
            tokens=Tokens(settings.jwt_secret, settings.token_lifetime_seconds, clock),
            known_users=KnownUsers(look_in(ask, store)),
            known_keys=KnownKeys(keys_in(store, settings.query_seconds), key_uses.note, clock),
            key_uses=key_uses,
            texts=TranscriptTexts(objects),
            live=live,
            probe=_probe_of(settings, share),
            spool=spool,
            upload_room=_upload_room(settings, share),
            own_events=PostgresOwnEvents(pool, settings.partitions, person_keys),
            person_keys=person_keys,
            export_room=ExportRoom(share.part_of(EXPORTS_AT_ONCE)),
            health=health.Health(pool, objects, disks, await sandbox_gaps(), share),
            metrics=metrics.kept_metrics(SystemMetrics(pool, disks, share.folder)),
            share=share,
        )


@asynccontextmanager
async def _opened_log(
    pool: Pool, settings: Settings
) -> AsyncIterator[tuple[PostgresEventStore, PostgresPersonKeys]]:
    """And the keys that it takes, which fit it."""
    person_keys = await fitting_person_keys(pool, settings.master_keys)
    async with PostgresEventStore(pool, settings.partitions, person_keys) as store:
        yield store, person_keys


def _live(ask: Reading, objects: ObjectStore, settings: Settings) -> Live:
    return Live(DatabaseLooks(ask), WindowTexts(objects), settings.partitions)


@asynccontextmanager
async def _spool() -> AsyncIterator[Path]:
    """A folder of this process for uploads on their way, once those of killed processes are gone."""
    root = scratch_root("api")
    await asyncio.to_thread(remove_leftovers, root)
    with open_scratch(root, uuid4()) as spool:
        yield spool


def create_app(settings: Settings, open_parts: OpenParts = open_parts) -> Litestar:
    """`open_parts` runs when the server starts. Raises InvalidSetting."""
    require_secret(settings)

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        async with open_parts(settings) as parts:
            app.state.parts = parts
            yield

    return Api(
        route_handlers=[
            _open_routes(),
            _protected_routes(),
            _health_routes(BASE_PATH),
            # Probes of container platforms look here.
            _health_routes("/", include_in_schema=False),
            metrics.metrics,
            openapi.get_asset,
            problem_pages.list_problems,
            problem_pages.get_problem,
            contracts.list_schemas,
            contracts.get_schema,
            contracts.get_asyncapi,
            evidence.get_checkpoint,
            evidence.get_keys,
            evidence.get_tile,
        ],
        origins=origins_of(settings.cors_origins),
        request_class=OwnWords,
        lifespan=[lifespan],
        dependencies={"parts": Provide(provide_parts, sync_to_thread=False)},
        exception_handlers=errors.HANDLERS,
        openapi_config=OPENAPI,
        request_max_body_size=BODY_BYTES_MAX,
        logging_config=None,
        # Said, or the environment might: each would show a stranger what went wrong, or wait for a debugger.
        debug=False,
        pdb_on_exception=False,
    )


def require_secret(settings: Settings) -> None:
    """Raises InvalidSetting."""
    if len(settings.jwt_secret) < SECRET_CHARACTERS_MIN:
        raise InvalidSetting(
            f"STENOLOG_JWT_SECRET: needs at least {SECRET_CHARACTERS_MIN} characters, the same in every API "
            "process; make one with `openssl rand -hex 32`"
        )


def _open_routes() -> Router:
    return Router(BASE_PATH, route_handlers=[accounts.register, accounts.login], tags=["accounts"])


def _health_routes(path: str, *, include_in_schema: bool = True) -> Router:
    return Router(
        path,
        route_handlers=[health.live, health.ready, health.system],
        include_in_schema=include_in_schema,
        tags=["health"],
    )


def _protected_routes() -> Router:
    return Router(
        BASE_PATH,
        route_handlers=[
            asking(
                "read",
                accounts.me,
                files.list_files,
                files.get_file,
                contents.get_content,
                transcriptions.list_transcriptions,
                transcriptions.get_transcription,
                history.get_history,
                live_routes.follow_transcription,
                live_routes.follow_everything,
                transcripts.get_transcript,
                transcripts.export,
                revisions.list_revisions,
                revisions.get_revision,
                search.find,
                quota.get_quota,
                models.list_models,
                models.get_model,
            ),
            asking(
                "write",
                # An upload counts its bytes itself, to answer in its own words.
                Router(
                    "/",
                    route_handlers=[files.upload_file, routes.transcribe, routes.translate],
                    request_max_body_size=None,
                ),
                files.delete_file,
                transcriptions.request,
                transcriptions.cancel,
                transcriptions.remove,
                edits.put_text,
                edits.patch_words,
                revisions.restore,
            ),
            asking(
                "account",
                accounts.erase_me,
                person_export.export_me,
                api_keys.create,
                api_keys.list_keys,
                api_keys.revoke,
            ),
        ],
        before_request=admit_request,
        dependencies={"caller": Provide(provide_caller, sync_to_thread=False)},
    )


def _disks(settings: Settings, spool: Path) -> dict[str, Path]:
    """The folders of this process that fill up, by what lies in them."""
    objects = folder_of(settings.object_store)
    return {"uploads": spool} | ({"objects": objects} if objects else {})


def _upload_room(settings: Settings, share: Share) -> UploadRoom:
    return UploadRoom(
        settings.spool_max_bytes or SPOOLED_UPLOADS_MAX * settings.upload_max_bytes,
        settings.uploads_per_user,
        table=UploadTable(share),
    )


def _probe_of(settings: Settings, share: Share) -> Probe:
    """The sandboxed probe, and who waits for it."""
    return ProbeQueue(
        partial(probe, limits=ProbeLimits(seconds_max=settings.media_seconds_max)),
        at_once=share.part_of(PROBES_AT_ONCE),
        slow_at_once=share.part_of(SLOW_AT_ONCE),
    )

"""The whole of Stenolog on one machine, as one context: everything runs inside it, nothing after it."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

import msgspec

from embedded.aot_cache import make_in_quiet
from embedded.brokers import embedded_broker, retention_ms
from embedded.given import DATABASE as DATABASE_VARIABLE
from embedded.given import Given, given, require_in_the_clear
from embedded.kafka import ApacheKafka
from embedded.leftovers import ProcessRecord
from embedded.log_files import keep_small
from embedded.model import with_model
from embedded.ports import reachable, require_free
from embedded.postgres import Postgres
from embedded.product import Process, module_command
from embedded.readiness import wait_until_ready
from embedded.servers import run_once
from embedded.stack_folder import Addresses, StackFolder
from embedded.supervisor import Say, Supervisor, supervised
from infrastructure.kafka.topics import provide_topics
from infrastructure.postgres.connecting import server_of
from infrastructure.processes import MIGRATE, PROCESSES
from infrastructure.settings import Settings, read_settings

DATABASE: Final = "stenolog"
_NEEDS_NO_KAFKA: Final = "api"
"""It takes longest to start, so it does while Kafka does."""
_MIGRATION_SECONDS: Final = 3_600.0
"""One may fold the whole log into a new table."""


@asynccontextmanager
async def running_system(
    folder: StackFolder, port: int, say: Say, environment: Mapping[str, str] = os.environ
) -> AsyncIterator[Addresses]:
    """Starts what is not given, yields when it is ready, and stops it all in the end. Port 0 takes any free one.

    Raises InvalidSetting, FolderInUse or PortTaken before anything starts; later an exception group of Problems.
    """
    settings, there = read_settings(environment), given(environment)
    require_in_the_clear(settings)
    settings = await with_model(settings, say)
    if not folder.path.exists():
        port = require_free(port, settings.host)  # A refusal leaves nothing behind.
    with folder.locked():
        record = ProcessRecord(folder.processes)
        for name in await record.end_leftovers():
            say(f"ended {name}, which an earlier run left behind")
        settings = msgspec.structs.replace(settings, port=require_free(port, settings.host))
        async with supervised(record, say) as supervisor:
            supervisor.keep_doing(keep_small(folder.logs))
            settings = await _start_servers(supervisor, folder, settings, there, say)
            for name in PROCESSES:
                if name != _NEEDS_NO_KAFKA:
                    await supervisor.start(Process(name, settings, folder.log(name)))
            addresses = _addresses(settings)
            await wait_until_ready(addresses.api_url, folder.logs, say)
            with folder.announced(addresses):
                yield addresses


async def _start_servers(
    supervisor: Supervisor, folder: StackFolder, settings: Settings, there: Given, say: Say
) -> Settings:
    """A PostgreSQL with the schema in it, a Kafka with the topics, and a place for objects; returns where they are."""
    settings = msgspec.structs.replace(
        settings,
        jwt_secret=settings.jwt_secret or folder.jwt_secret(),
        master_keys=settings.master_keys or folder.master_keys(),
        seal_keys=settings.seal_keys or folder.seal_key(),
        evidence_token=settings.evidence_token or folder.evidence_token(),
    )
    if not there.object_store:
        settings = msgspec.structs.replace(settings, object_store=folder.objects.as_uri())
    async with asyncio.TaskGroup() as starts:
        database = starts.create_task(_provide_api(supervisor, folder, settings, there, say))
        broker = starts.create_task(_provide_broker(supervisor, folder, settings, there, say))
    return msgspec.structs.replace(
        settings, database_url=database.result(), kafka_bootstrap=broker.result()
    )


async def _provide_api(
    supervisor: Supervisor, folder: StackFolder, settings: Settings, there: Given, say: Say
) -> str:
    """With the database it works on, whose URL is returned."""
    url = await _provide_database(supervisor, folder, settings, there, say)
    settings = msgspec.structs.replace(settings, database_url=url)
    await supervisor.start(Process(_NEEDS_NO_KAFKA, settings, folder.log(_NEEDS_NO_KAFKA)))
    return url


async def _provide_database(
    supervisor: Supervisor, folder: StackFolder, settings: Settings, there: Given, say: Say
) -> str:
    """Returns the URL of the database, which has been brought to this version."""
    if there.database:
        say(f"using {server_of(settings.database_url)}, as {DATABASE_VARIABLE} says")
    else:
        say("starting PostgreSQL")
        server = Postgres(folder.postgres, folder.log("postgres"))
        await supervisor.start(server)
        settings = msgspec.structs.replace(settings, database_url=await server.create_database(DATABASE))
    migration = module_command([MIGRATE], settings, folder.log("migrate"))
    await run_once("the migration of the database", migration, _MIGRATION_SECONDS)
    return settings.database_url


async def _provide_broker(
    supervisor: Supervisor, folder: StackFolder, settings: Settings, there: Given, say: Say
) -> str:
    """Returns the bootstrap address of a broker that has the topics."""
    if there.broker == "external":
        say(f"using the Kafka at {settings.kafka_bootstrap}")
        await provide_topics(settings)
        return settings.kafka_bootstrap
    say("starting Kafka")
    broker = await embedded_broker(there.broker, folder.kafka, folder.log("kafka"), say)
    await supervisor.start(broker)
    if isinstance(broker, ApacheKafka):
        supervisor.keep_doing(make_in_quiet(broker.quicken_next_start))
    settings = msgspec.structs.replace(settings, kafka_bootstrap=broker.bootstrap)
    await provide_topics(settings, retention_ms(broker))
    return broker.bootstrap


def _addresses(settings: Settings) -> Addresses:
    return Addresses(
        api_url=f"http://{reachable(settings.host)}:{settings.port}",
        database_url=settings.database_url,
        kafka_bootstrap=settings.kafka_bootstrap,
        object_store=settings.object_store,
    )

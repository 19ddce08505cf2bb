"""The whole of Stenolog on one machine, as one context: everything runs inside it, nothing after it."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

import msgspec

from embedded.brokers import VARIABLE as BROKER_VARIABLE
from embedded.brokers import Choice, broker_choice, embedded_broker, retention_ms
from embedded.leftovers import ProcessRecord
from embedded.log_files import keep_small
from embedded.ports import LOOPBACK, require_free
from embedded.postgres import Postgres
from embedded.product import Process, module_command
from embedded.readiness import wait_until_ready
from embedded.servers import run_once
from embedded.stack_folder import Addresses, StackFolder
from embedded.supervisor import Say, Supervisor, supervised
from infrastructure.kafka.topics import provide_topics
from infrastructure.processes import MIGRATIONS, PROCESSES
from infrastructure.settings import PREFIX, Settings, read_settings

DATABASE: Final = "stenolog"
_MIGRATION_SECONDS: Final = 120.0


@asynccontextmanager
async def running_system(folder: StackFolder, port: int, say: Say) -> AsyncIterator[Addresses]:
    """Starts everything, yields when it is ready, and stops it all in the end. Port 0 takes any free one.

    Raises InvalidSetting, FolderInUse or PortTaken before anything starts; later an exception group of Problems.
    """
    settings = read_settings()
    for name in _ignored(broker_choice()):
        say(f"{name} is ignored: `stenolog up` decides that itself")
    with folder.locked():
        record = ProcessRecord(folder.processes)
        for name in await record.end_leftovers():
            say(f"ended {name}, which an earlier run left behind")
        settings = msgspec.structs.replace(settings, host=LOOPBACK, port=require_free(port))
        async with supervised(record, say) as supervisor:
            supervisor.keep_doing(keep_small(folder.logs))
            settings = await _start_servers(supervisor, folder, settings, say)
            for name in PROCESSES:
                await supervisor.start(Process(name, settings, folder.log(name)))
            addresses = _addresses(settings)
            await wait_until_ready(addresses.api_url, folder.logs, say)
            with folder.announced(addresses):
                yield addresses


def _ignored(broker: Choice, environment: Mapping[str, str] = os.environ) -> list[str]:
    """The variables that somebody has set and that have no meaning here."""
    own = ["DATABASE_URL", "OBJECT_STORE", "HOST", "PORT"]
    names = own if broker == "external" else [*own, "KAFKA_BOOTSTRAP"]
    return [PREFIX + name for name in names if PREFIX + name in environment]


async def _start_servers(
    supervisor: Supervisor, folder: StackFolder, settings: Settings, say: Say
) -> Settings:
    """PostgreSQL with the schema in it, Kafka with the topics, and a folder for objects; returns where they are."""
    say("starting PostgreSQL and Kafka")
    settings = msgspec.structs.replace(
        settings,
        object_store=folder.objects.as_uri(),
        jwt_secret=settings.jwt_secret or folder.jwt_secret(),
    )
    async with asyncio.TaskGroup() as starts:
        database = starts.create_task(_start_database(supervisor, folder, settings))
        broker = starts.create_task(_start_broker(supervisor, folder, settings, say))
    return msgspec.structs.replace(
        settings, database_url=database.result(), kafka_bootstrap=broker.result()
    )


async def _start_database(supervisor: Supervisor, folder: StackFolder, settings: Settings) -> str:
    """Returns the URL of the database, which has been brought to this version."""
    server = Postgres(folder.postgres, folder.log("postgres"))
    await supervisor.start(server)
    settings = msgspec.structs.replace(settings, database_url=await server.create_database(DATABASE))
    for module in MIGRATIONS:
        migration = module_command(module, settings, folder.log("migrate"))
        await run_once(f"python -m {' '.join(module)}", migration, _MIGRATION_SECONDS)
    return settings.database_url


async def _start_broker(supervisor: Supervisor, folder: StackFolder, settings: Settings, say: Say) -> str:
    """Returns the bootstrap address of a broker that has the topics."""
    choice = broker_choice()
    if choice == "external":
        say(f"{BROKER_VARIABLE}=external: using the Kafka at {settings.kafka_bootstrap}")
        await provide_topics(settings)
        return settings.kafka_bootstrap
    broker = await embedded_broker(choice, folder.kafka, folder.log("kafka"), say)
    await supervisor.start(broker)
    settings = msgspec.structs.replace(settings, kafka_bootstrap=broker.bootstrap)
    await provide_topics(settings, retention_ms(broker))
    return broker.bootstrap


def _addresses(settings: Settings) -> Addresses:
    return Addresses(
        api_url=f"http://{LOOPBACK}:{settings.port}",
        database_url=settings.database_url,
        kafka_bootstrap=settings.kafka_bootstrap,
        object_store=settings.object_store,
    )

"""Whatever process it is given to: a wrong setting is one line that names it, exit code 2, and no traceback."""

import asyncio
import os
import sys
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
import pytest_asyncio
from msgspec.structs import replace

from infrastructure.process import SETTINGS_EXIT_CODE
from infrastructure.processes import MIGRATE, PROCESSES, with_settings
from infrastructure.settings import Settings
from tests.api.conftest import SECRET
from tests.api.rig import migrate_all
from tests.keys import MASTER_KEYS_TEXT

DEADLINE_SECONDS = 60.0
WITH_DATABASE = [(PROCESSES[name],) for name in ("api", "relay", "project", "dispatch", "seal")] + [
    (MIGRATE,)
]


async def refusal(module: tuple[str, ...], settings: Settings, **environment: str) -> str:
    """What a process says that cannot work with these settings."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        *module,
        env=with_settings(settings) | environment,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(DEADLINE_SECONDS):
        _, said = await process.communicate()
    lines = said.decode().splitlines()
    assert process.returncode == SETTINGS_EXIT_CODE, said.decode()
    assert len(lines) == 1, lines
    return lines[0]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def settings(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = Settings(
        database_url=postgres_url,
        object_store=(tmp_path_factory.mktemp("store") / "objects").as_uri(),
        jwt_secret=SECRET,
        master_keys=MASTER_KEYS_TEXT,
        engine="scripted",
        seal_keys=f"test:{'A' * 43}=",
        partitions=4,
    )
    await migrate_all(settings)
    return settings


@pytest.mark.parametrize("module", WITH_DATABASE, ids=" ".join)
async def test_a_wrong_password(settings: Settings, module: tuple[str, ...]) -> None:
    parts = urlsplit(settings.database_url)
    wrong = parts._replace(netloc=f"stenolog:secret-of-mine@{parts.hostname}:{parts.port}")
    told = await refusal(module, replace(settings, database_url=urlunsplit(wrong)))
    assert told.startswith("STENOLOG_DATABASE_URL: ")
    assert "secret-of-mine" not in told


async def test_a_wrong_database_and_none(settings: Settings) -> None:
    nowhere = urlunsplit(urlsplit(settings.database_url)._replace(path="/nowhere"))
    for url in (nowhere, ""):
        told = await refusal(("api",), replace(settings, database_url=url))
        assert told.startswith("STENOLOG_DATABASE_URL")


@pytest.mark.parametrize("module", [("api",), ("inference_worker",)], ids=" ".join)
async def test_a_folder_for_objects_that_cannot_be_written(
    settings: Settings, tmp_path: Path, module: tuple[str, ...]
) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file" / "objects", Path("/proc/objects")):
        told = await refusal(module, replace(settings, object_store=folder.as_uri()))
        assert told.startswith(f"STENOLOG_OBJECT_STORE: {folder} cannot be written: ")


@pytest.mark.skipif(os.geteuid() == 0, reason="to root every folder is open")
async def test_a_folder_of_somebody_else(settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "objects"
    folder.mkdir(mode=0o500)
    told = await refusal(("api",), replace(settings, object_store=folder.as_uri()))
    assert told == f"STENOLOG_OBJECT_STORE: {folder} cannot be written: Permission denied"


@pytest.mark.parametrize("module", [("api",), ("inference_worker",)], ids=" ".join)
async def test_a_temporary_folder_that_is_not_there(
    settings: Settings, tmp_path: Path, module: tuple[str, ...]
) -> None:
    missing = tmp_path / "missing"
    told = await refusal(module, settings, TMPDIR=str(missing))
    assert told == f"TMPDIR: {missing} cannot be written: No such file or directory"

"""A log, credentials and a folder of objects for each test."""

from pathlib import Path
from uuid import UUID

import pytest

from domain.log import Provenance
from infrastructure.memory import InMemoryCredentials, InMemoryEventStore
from infrastructure.object_store.folder import FolderObjectStore
from tests.builders import ANNA

PROVENANCE = Provenance(actor=f"user:{ANNA}", correlation_id=UUID(int=7))


@pytest.fixture
def store() -> InMemoryEventStore:
    return InMemoryEventStore(partition_count=4)


@pytest.fixture
def credentials(store: InMemoryEventStore) -> InMemoryCredentials:
    return InMemoryCredentials(store)


@pytest.fixture
async def objects(tmp_path: Path) -> FolderObjectStore:
    folder = FolderObjectStore(tmp_path / "objects")
    await folder.prepare()
    return folder

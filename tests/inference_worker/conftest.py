"""What several tests of the worker need."""

from pathlib import Path
from typing import Final

import pytest

from inference_worker.job import Workplace
from infrastructure.object_store.folder import FolderObjectStore

WINDOW_SECONDS: Final = 10.0


@pytest.fixture
async def store(tmp_path: Path) -> FolderObjectStore:
    opened = FolderObjectStore(tmp_path / "objects")
    await opened.prepare()
    return opened


@pytest.fixture
def place(store: FolderObjectStore, tmp_path: Path) -> Workplace:
    (tmp_path / "scratch").mkdir()
    return Workplace(store=store, scratch=tmp_path / "scratch", window_seconds=WINDOW_SECONDS)

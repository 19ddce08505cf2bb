"""A worker whose scratch folder lies on a disk too small for the first recording: prints what it reports, one JSON line each.

Arguments: a folder with `scratch`, the small disk, and `objects`.
"""

import asyncio
import logging
import sys
from pathlib import Path

import msgspec

from inference_worker.job import Workplace
from infrastructure.object_store.folder import FolderObjectStore
from schemas.messages import AttemptFaulted, AttemptSucceeded, WorkerReady
from tests.builders import identity
from tests.inference_worker.assignments import assigned, store_tone
from tests.inference_worker.fake_engine import FakeEngine
from tests.inference_worker.test_worker import at_work

READY_SECONDS = 0.1


async def main(folder: Path) -> None:
    store = FolderObjectStore(folder / "objects")
    await store.prepare()
    large = await store_tone(store, folder, seconds=60.0)
    small = await store_tone(store, folder, seconds=5.0)
    place = Workplace(store=store, scratch=folder / "scratch", window_seconds=10.0)
    async with at_work(place, FakeEngine(), ready_interval_seconds=READY_SECONDS) as running:
        running.inbox.put(assigned(large))
        await running.until(lambda: running.outbox.of(AttemptFaulted))
        await running.until(lambda: running.outbox.of(WorkerReady)[-1].slots == 0)
        await running.until(lambda: running.outbox.of(WorkerReady)[-1].slots == 1)
        running.inbox.put(assigned(small, transcription_id=identity("small")))
        await running.until(lambda: running.outbox.of(AttemptSucceeded))
        left = [path.name for path in place.scratch.iterdir()]
        for report in running.outbox.sent:
            print(msgspec.json.encode(report).decode())
        print(msgspec.json.encode({"type": "left", "names": left}).decode())


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    asyncio.run(main(Path(sys.argv[1])))

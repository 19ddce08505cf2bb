"""The recorder as the `eventsourcing` package knows recorders: synchronous, over a log of one partition."""

import asyncio
import threading
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack
from typing import Any, TypeVar
from uuid import UUID

from eventsourcing.persistence import (
    ApplicationRecorder,
    Notification,
    ProcessRecorder,
    StoredEvent,
    Subscription,
    Tracking,
)

from infrastructure.postgres.migrate import LOG_COMPONENT, LOG_MIGRATIONS, migrate
from infrastructure.postgres.partition_count import claim_partition_count
from infrastructure.postgres.pool import create_pool
from infrastructure.postgres.recorder import PostgresRecorder

ANSWER_SECONDS_MAX = 60.0

Answer = TypeVar("Answer")


class RecorderThread:
    """An event loop in a thread, with a recorder in it."""

    def __init__(self, database_url: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._resources = AsyncExitStack()
        self.recorder = self.wait_for(self._open(database_url))

    async def _open(self, database_url: str) -> PostgresRecorder:
        pool = await self._resources.enter_async_context(await create_pool(database_url))
        await migrate(pool, LOG_COMPONENT, LOG_MIGRATIONS)
        await claim_partition_count(pool, 1)
        return PostgresRecorder(pool)

    def wait_for(self, coroutine: Coroutine[Any, Any, Answer]) -> Answer:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(ANSWER_SECONDS_MAX)

    def close(self) -> None:
        self.wait_for(self._resources.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(ANSWER_SECONDS_MAX)
        self._loop.close()


class SyncRecorder(ProcessRecorder):
    def __init__(self, thread: RecorderThread) -> None:
        self._recorder = thread.recorder
        self._wait_for = thread.wait_for

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int] | None:
        notification_ids = self._wait_for(self._recorder.insert_events(stored_events, **kwargs))
        return None if notification_ids is None else [*notification_ids]

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        return self._wait_for(
            self._recorder.select_events(originator_id, gt=gt, lte=lte, desc=desc, limit=limit)
        )

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        return self._wait_for(
            self._recorder.select_notifications(
                start, limit, stop, topics, inclusive_of_start=inclusive_of_start
            )
        )

    def max_notification_id(self) -> int | None:
        return self._wait_for(self._recorder.max_notification_id())

    def subscribe(
        self, gt: int | None = None, topics: Sequence[str] = ()
    ) -> Subscription[ApplicationRecorder]:
        """Not part of the contract here: following the log is EventLog's."""
        raise NotImplementedError

    def insert_tracking(self, tracking: Tracking) -> None:
        self._wait_for(self._recorder.insert_tracking(tracking))

    def max_tracking_id(self, application_name: str) -> int | None:
        return self._wait_for(self._recorder.max_tracking_id(application_name))

    def has_tracking_id(self, application_name: str, notification_id: int | None) -> bool:
        return self._wait_for(self._recorder.has_tracking_id(application_name, notification_id))


class SyncAggregateRecorder(SyncRecorder):
    """An AggregateRecorder has no notification ids to give."""

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> None:
        super().insert_events(stored_events, **kwargs)

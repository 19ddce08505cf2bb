"""The recorder passes the test cases that the `eventsourcing` package ships for recorders."""

from collections.abc import Iterator
from unittest import TestCase
from uuid import uuid4

import pytest
from eventsourcing.tests import persistence

from tests.infrastructure.postgres.sync_recorder import RecorderThread, SyncAggregateRecorder, SyncRecorder


class OverAFreshLog(TestCase):
    """The package's cases are classes, so here are some too."""

    thread: RecorderThread

    @pytest.fixture(autouse=True)
    def recorder_thread(self, empty_database_url: str) -> Iterator[None]:
        self.thread = RecorderThread(empty_database_url)
        yield
        self.thread.close()

    def create_recorder(self) -> SyncRecorder:
        return SyncRecorder(self.thread)

    def new_originator_id(self) -> str:
        return f"dog-{uuid4()}"


class TestAggregateRecorder(OverAFreshLog, persistence.AggregateRecorderTestCase):
    def create_recorder(self) -> SyncAggregateRecorder:
        return SyncAggregateRecorder(self.thread)


class TestApplicationRecorder(OverAFreshLog, persistence.ApplicationRecorderTestCase):
    pass


class TestTrackingRecorder(OverAFreshLog, persistence.TrackingRecorderTestCase):
    pass


class TestProcessRecorder(OverAFreshLog, persistence.ProcessRecorderTestCase):
    pass


class TestNonInterleavingNotificationIds(OverAFreshLog, persistence.NonInterleavingNotificationIDsBaseCase):
    pass

"""Which tests need servers or processes beside their own: known from their fixtures, or from where they are."""

import sys
from typing import Final

import pytest

FIXTURES: Final = {"stack_folder", "s3_endpoint", "lost_store", "strict_server"}
"""PostgreSQL and Kafka lie in the first; the others are S3 servers."""
PLACES: Final = (
    "tests/api/test_hostile_uploads.py",
    "tests/api/test_zipping.py",
    "tests/architecture/test_production.py",
    "tests/chaos/test_chaos.py",
    "tests/cli/test_interrupted.py",
    "tests/cli/test_main.py",
    "tests/cli/test_terminal.py",
    "tests/embedded/hub/",
    "tests/embedded/test_accounts.py",
    "tests/embedded/test_brokers.py",
    "tests/embedded/test_leashed.py",
    "tests/embedded/test_leftovers.py",
    "tests/embedded/test_ports.py",
    "tests/embedded/test_postgres.py",
    "tests/embedded/test_processes.py",
    "tests/embedded/test_supervisor.py",
    "tests/embedded/test_up.py",
    "tests/end_to_end/",
    "tests/inference_worker/",
    "tests/infrastructure/kafka/",
    "tests/infrastructure/media/",
    "tests/infrastructure/object_store/test_contract.py",
    "tests/infrastructure/postgres/test_encryption.py",
    "tests/infrastructure/object_store/test_patient.py",
    "tests/infrastructure/test_private_files.py",
    "tests/infrastructure/test_scratch.py",
    "tests/relay/test_facts.py::test_it_goes_on_after_each_outage_of_kafka",
    "tests/relay/test_outages.py",
)
"""Where tests start processes."""


def needs_servers(item: pytest.Item) -> bool:
    fixtures: list[str] = getattr(item, "fixturenames", [])
    return not FIXTURES.isdisjoint(fixtures) or item.nodeid.startswith(PLACES)


class StartedAProcess(AssertionError):
    """A test did that none of the above says it of."""


class Watch:
    """Lets no test start a process that is believed to need none, so that `make test-fast` stays what it says."""

    def __init__(self) -> None:
        self.item: pytest.Item | None = None
        sys.addaudithook(self._hear)

    def _hear(self, event: str, _: object) -> None:
        if event == "subprocess.Popen" and self.item is not None and not needs_servers(self.item):
            raise StartedAProcess(f"{self.item.nodeid} starts a process: add it to tests/stack/needs.py")

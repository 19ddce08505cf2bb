"""How one run is spread over several workers: what shares a costly fixture stays together, the longest goes first."""

from collections.abc import Mapping
from math import ceil
from typing import Any, Final

from xdist.scheduler.loadscope import LoadScopeScheduling

WORKERS_PER_CORE: Final = 1.5
"""Many tests wait for others, for a broker to come back or a lease to run out, while the rest keep the cores busy."""
WORKERS_MAX: Final = 8
"""Each has a PostgreSQL and a Kafka of its own: half a gigabyte."""
TOGETHER: Final = (
    "tests/end_to_end/test_main_path.py",
    "tests/end_to_end/test_rebuild.py",
    "tests/end_to_end/test_repetition.py",
)
"""They look at one installation, which takes longer to start than to look at."""
SECONDS: Final[Mapping[str, int]] = {
    "tests/end_to_end/test_kill.py": 155,
    "tests/inference_worker/test_engines.py": 170,
    "tests/infrastructure/media/test_one_account.py": 135,
    "tests/end_to_end/test_clean_end.py": 128,
    "tests/api/test_process.py": 130,
    "tests/inference_worker/test_outage.py": 75,
    "tests/end_to_end/test_openai.py": 75,
    "tests/relay/test_outages.py": 90,
    "tests/chaos/test_chaos.py": 135,
    "tests/embedded/hub/test_get.py": 95,
    "tests/relay/test_processes.py": 70,
    "tests/end_to_end/test_main_path.py": 130,
    "tests/infrastructure/media/test_cancelled_starts.py": 65,
    "tests/embedded/test_up.py": 55,
    "tests/domain/subtitles/test_cues.py": 48,
    "tests/architecture/test_production.py": 46,
    "tests/relay/test_wiped_disk.py": 45,
    "tests/guarantees/test_followers.py": 43,
    "tests/infrastructure/media/test_odd_sizes.py": 40,
    "tests/cli/test_main.py": 40,
    "tests/api/test_raw_http.py": 39,
    "tests/infrastructure/test_wrong_settings.py": 35,
    "tests/infrastructure/media/test_odd_times.py": 35,
    "tests/inference_worker/test_worker.py": 33,
    "tests/inference_worker/test_process.py": 30,
    "tests/inference_worker/test_riva.py": 30,
    "tests/dispatcher/test_processes.py": 26,
    "tests/projections/test_processes.py": 25,
    "tests/embedded/test_postgres.py": 24,
    "tests/projections/test_status.py": 23,
    "tests/architecture/test_shape.py": 20,
    "tests/infrastructure/kafka/test_jobs.py": 19,
    "tests/api/test_slow_clients.py": 18,
    "tests/embedded/test_brokers.py": 18,
    "tests/relay/test_relay.py": 18,
    "tests/inference_worker/test_riva_process.py": 18,
    "tests/infrastructure/media/test_decode.py": 18,
    "tests/inference_worker/test_engine_process.py": 16,
    "tests/infrastructure/object_store/test_contract.py": 15,
    "tests/infrastructure/media/test_probe.py": 15,
    "tests/relay/test_kafka_state.py": 15,
    "tests/inference_worker/test_devices.py": 15,
    "tests/infrastructure/kafka/test_feed.py": 13,
    "tests/infrastructure/object_store/test_patient.py": 11,
}
"""What the longest files took on two busy cores, in the order in which they begin.

The longest first, but not all whole installations at the same time. The rest takes less than ten seconds each.
"""
_ORDER: Final = {share: place for place, share in enumerate(SECONDS)}


def share_of(nodeid: str) -> str:
    """The name of what one worker does as a whole: a file, or the first of the files that stay together."""
    file = nodeid.partition("::")[0]
    return TOGETHER[0] if file in TOGETHER else file


def seconds_of(nodeid: str) -> int:
    """About, of the share a test belongs to."""
    return SECONDS.get(share_of(nodeid), 0)


def place_of(nodeid: str) -> int:
    """Of the share a test belongs to, in the order in which they begin."""
    return _ORDER.get(share_of(nodeid), len(_ORDER))


def worker_count(cores: int | None) -> int:
    return min(ceil(WORKERS_PER_CORE * (cores or 1)), WORKERS_MAX)


class ShareScheduling(LoadScopeScheduling):  # type: ignore[misc]  # mypy is not shown the library's types
    """Hands out whole shares, in the order in which their tests were collected, and says so of the long ones.

    All workers begin with long ones, and without a word nothing would be seen of them for minutes.
    """

    def _assign_work_unit(self, node: Any) -> None:
        share, tests = next(iter(self.workqueue.items()))
        if seconds := seconds_of(next(iter(tests))):
            terminal = self.config.pluginmanager.getplugin("terminalreporter")
            terminal.ensure_newline()
            terminal.write_line(f"{node.gateway.id}: {share}, {len(tests)} tests, about {seconds} s")
        super()._assign_work_unit(node)

    def _split_scope(self, nodeid: str) -> str:
        return share_of(nodeid)

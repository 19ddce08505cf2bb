"""What is said of tests, so that they can be spread and chosen, names files there are."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.stack.needs import PLACES, StartedAProcess, needs_servers
from tests.stack.spread import SECONDS, TOGETHER, place_of, seconds_of, share_of, worker_count

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("place", sorted({*PLACES, *SECONDS, *TOGETHER}))
def test_every_place_is_there(place: str) -> None:
    assert (ROOT / place.partition("::")[0]).exists()


def test_files_that_share_an_installation_are_one_share() -> None:
    assert len({share_of(f"{file}::test_something[{file}]") for file in TOGETHER}) == 1
    assert share_of("tests/domain/test_quota.py::TestBooks::test_a") == "tests/domain/test_quota.py"


def test_a_share_is_as_long_as_its_files_together() -> None:
    assert {seconds_of(f"{file}::test_something") for file in TOGETHER} == {SECONDS[TOGETHER[0]]}
    assert seconds_of("tests/domain/test_quota.py::test_something") == 0


def test_long_files_begin_before_the_rest() -> None:
    places = [place_of(f"{file}::test_something") for file in [*SECONDS, "tests/domain/test_quota.py"]]
    assert places == sorted(set(places))


@pytest.mark.parametrize(("cores", "workers"), [(None, 2), (1, 2), (2, 3), (4, 6), (64, 8)])
def test_there_are_more_workers_than_cores_and_not_too_many(cores: int | None, workers: int) -> None:
    assert worker_count(cores) == workers


def test_a_process_where_none_is_needed_is_found(request: pytest.FixtureRequest) -> None:
    assert not needs_servers(request.node)
    with pytest.raises(StartedAProcess, match="test_a_process_where_none_is_needed_is_found"):
        subprocess.run([sys.executable, "-c", ""], check=True)


def test_who_asks_for_a_server_says_so(request: pytest.FixtureRequest, postgres: object) -> None:
    assert needs_servers(request.node)
    assert request.node.get_closest_marker("servers") is not None

"""Every event gets an identity of its own, whoever asks for it: threads, and children of a fork, too."""

import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from typing import Final
from uuid import UUID

import pytest

from domain.events import Event
from domain.log import Decision, StreamAppend
from infrastructure.new_records import new_event_id, require_appendable
from tests.builders import ANNA, granted
from tests.contracts.log_entries import provenance

MANY: Final = 2_000
"""More than a block of random bits is enough for."""


def ids(count: int) -> list[UUID]:
    return [new_event_id() for _ in range(count)]


def test_an_id_is_a_uuid_of_version_7_and_sorts_by_its_time() -> None:
    made = ids(MANY)
    assert {(each.version, each.variant) for each in made} == {(7, "specified in RFC 4122")}
    assert len(set(made)) == MANY
    milliseconds = [each.int >> 80 for each in made]
    assert milliseconds == sorted(milliseconds)


def test_threads_share_no_id() -> None:
    with ThreadPoolExecutor(8) as threads:
        made = [each for of_one in threads.map(ids, [MANY] * 8) for each in of_one]
    assert len(set(made)) == len(made)


def test_a_forked_child_shares_no_random_bits_with_its_parent() -> None:
    ids(1)  # The parent has begun a block.
    with multiprocessing.get_context("fork").Pool(2) as children:
        made = [
            each for of_one in [*children.map(ids, [MANY] * 2, chunksize=1), ids(MANY)] for each in of_one
        ]
    random_bits = {each.int & (1 << 62) - 1 for each in made}
    assert len(random_bits) == len(made)


def appended(stream_id: str, owner_id: UUID, at: int, events: list[Event]) -> StreamAppend:
    return StreamAppend(stream_id=stream_id, owner_id=owner_id, expected_version=at, events=events)


@pytest.mark.parametrize(
    "appends",
    [
        [],
        [appended("quota-1", ANNA, 0, [])],
        [appended("quota-1", ANNA, 0, [granted(1)]), appended("quota-1", ANNA, 1, [granted(2)])],
        [
            appended("quota-1", ANNA, 0, [granted(1)]),
            appended("quota-2", UUID(int=1), 0, [granted(2)]),
        ],
    ],
    ids=["nothing", "no events", "a stream twice", "two owners"],
)
def test_who_breaks_the_contract_is_told(appends: list[StreamAppend]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # each says it in its own words
        require_appendable([Decision(appends, provenance())])

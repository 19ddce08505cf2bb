"""Stored events: a closed registry, stable names, and data that reads back as it was written."""

from typing import get_args

import msgspec
import pytest

from domain.events import Event
from schemas.events import REGISTRY, UnknownEventType, decode, encode, type_of
from tests import builders
from tests.keys import EVERYBODYS, KEY

EVENTS: list[Event] = [
    builders.registered(),
    builders.granted(60),
    builders.reserved(2),
    builders.debited(2),
    builders.released(2),
    builders.uploaded(),
    builders.requested(),
    builders.started(),
    builders.attempt_failed(),
    builders.completed(),
    builders.failed(),
    builders.cancelled(),
    builders.edited(),
    builders.alignment_started(),
    builders.transcript_aligned(),
    builders.alignment_ended(),
    builders.deleted(),
    builders.file_deleted(),
    builders.erasure_requested(),
    builders.erased(),
    builders.api_key_created(),
    builders.api_key_revoked(),
]


def test_every_event_there_is_has_an_example_here() -> None:
    assert {type(event) for event in EVENTS} == set(get_args(Event))


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_reads_back_as_it_was_written(event: Event) -> None:
    stored = type_of(event)
    assert decode(stored.name, stored.schema_version, encode(event, 1, KEY), 1, EVERYBODYS) == event


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_a_stored_name_is_no_module_path(event: Event) -> None:
    assert type_of(event).name.isidentifier()


def test_an_unknown_type_is_refused_by_name() -> None:
    with pytest.raises(UnknownEventType, match="SomethingElse version 7"):
        decode("SomethingElse", 7, b"{}")


def test_data_that_does_not_fit_its_type_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        decode("QuotaGranted", 1, b'{"minutes": "many"}')


def test_types_that_share_a_class_are_versions_of_one_event() -> None:
    names = {(cls, kind.name) for kind, cls in REGISTRY.items()}
    assert len({cls for cls, _ in names}) == len(names)

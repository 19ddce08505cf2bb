"""Sealed fields: opened by the right key at the right place and by nothing else, and never asked for in vain."""

import hmac
import json
from base64 import b64encode
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.events import Event
from domain.personal import personal_paths
from domain.transcription_events import Job, TranscriptionRequested
from schemas.events import (
    FORMS,
    EventType,
    decode,
    encode,
    opened,
    owners_of_sealed,
    says_personal,
    type_of,
)
from schemas.json_schemas import documents, event_path
from schemas.sealing import BLIND, NO_KEYS, PersonKey, PersonKeyMissing, Unsealable
from tests import builders
from tests.builders import ANNA, BERT
from tests.infrastructure.kafka.messages import record
from tests.keys import EVERYBODYS, KEY

EMAIL = "anna@example.com"
WHERE = b"user-1/1/email"


def asked(prompt: str = "", vocabulary: tuple[str, ...] = ()) -> TranscriptionRequested:
    job = replace(builders.job(), prompt=prompt, vocabulary=vocabulary)
    return replace(builders.requested(), job=job)


PERSONAL: list[Event] = [
    builders.registered(email=EMAIL),
    builders.uploaded(),
    builders.api_key_created(),
    asked(prompt="Minutes of the board"),
    asked(vocabulary=("Anna Nowak", "Szczecin")),
    replace(builders.started(), job=asked("Minutes", ("Nowak",)).job),
]


def stored(event: Event, version: int = 1) -> Any:
    return json.loads(encode(event, version, KEY))


def reread(event: Event, written_at: int, read_at: int) -> Event:
    kind = type_of(event)
    return decode(
        kind.name, kind.schema_version, encode(event, written_at, KEY), read_at, {event.user_id: KEY}
    )


@pytest.mark.parametrize("event", PERSONAL, ids=lambda event: type(event).__name__)
def test_what_is_personal_is_not_in_what_is_stored(event: Event) -> None:
    data = encode(event, 1, KEY)
    assert says_personal(event)
    for said in (EMAIL, "talk.mp3", "Minutes", "Nowak", "Szczecin"):
        assert said.encode() not in data


@pytest.mark.parametrize("event", PERSONAL, ids=lambda event: type(event).__name__)
def test_it_is_read_back_with_the_key_of_its_person(event: Event) -> None:
    assert reread(event, 3, 3) == event


@given(email=st.text(min_size=1), version=st.integers(1, 1 << 40))
def test_any_text_is_read_back(email: str, version: int) -> None:
    event = builders.registered(email=email)
    assert reread(event, version, version) == event


def test_the_same_text_is_never_sealed_alike() -> None:
    assert stored(builders.registered())["email"] != stored(builders.registered())["email"]


@pytest.mark.parametrize("event", PERSONAL, ids=lambda event: type(event).__name__)
def test_it_is_not_opened_at_another_version_of_its_stream(event: Event) -> None:
    with pytest.raises(Unsealable, match="another place"):
        reread(event, 3, 4)


def test_it_is_not_opened_in_another_stream() -> None:
    """Whoever can write to the database cannot show somebody's address as another's."""
    data = stored(builders.registered())
    data["user_id"] = str(BERT)
    with pytest.raises(Unsealable, match="another place"):
        decode("UserRegistered", 2, json.dumps(data).encode(), 1, EVERYBODYS)


def test_it_is_not_opened_in_another_field() -> None:
    data = stored(asked(prompt="Anna", vocabulary=("Bert",)))
    job = data["job"]
    job["prompt"], job["vocabulary"] = job["vocabulary"], job["prompt"]
    with pytest.raises(Unsealable, match="another place"):
        decode("TranscriptionRequested", 2, json.dumps(data).encode(), 1, EVERYBODYS)


def test_another_key_does_not_open_it() -> None:
    data = encode(builders.registered(), 1, KEY)
    with pytest.raises(Unsealable, match="another key"):
        decode("UserRegistered", 2, data, 1, {ANNA: PersonKey.new()})


@pytest.mark.parametrize("sealed", ["anna@example.com", "AQ==", "Ag" + "A" * 60, 7, {"a": 1}])
def test_what_was_never_sealed_is_refused_without_repeating_it(sealed: object) -> None:
    data = json.dumps({**stored(builders.registered()), "email": sealed}).encode()
    with pytest.raises((Unsealable, msgspec.ValidationError)) as refused:
        decode("UserRegistered", 2, data, 1, EVERYBODYS)
    assert "anna@" not in str(refused.value)


def test_every_byte_counts() -> None:
    sealed = b64encode(KEY.seal("anna", WHERE)).decode()
    assert KEY.open(sealed, WHERE) == "anna"
    for place in range(len(sealed) - 2):
        changed = "B" if sealed[place] == "A" else "A"
        with pytest.raises(Unsealable):
            KEY.open(sealed[:place] + changed + sealed[place + 1 :], WHERE)


def test_a_key_that_is_missing_is_told_from_one_that_was_erased() -> None:
    data = encode(builders.registered(), 1, KEY)
    with pytest.raises(PersonKeyMissing, match=str(ANNA)):
        decode("UserRegistered", 2, data, 1, NO_KEYS)
    assert decode("UserRegistered", 2, data, 1, {ANNA: None}) == builders.registered(email="")


def test_what_an_erased_person_said_says_nothing_of_its_kind() -> None:
    event = asked(prompt="Minutes", vocabulary=("Nowak",))
    data = encode(event, 1, KEY)
    assert decode("TranscriptionRequested", 2, data, 1, {ANNA: None}) == asked()
    assert decode("TranscriptionRequested", 2, data, 1, BLIND) == asked()


@pytest.mark.parametrize("event", [builders.registered(email=""), asked(), builders.started()])
def test_what_says_nothing_is_written_and_read_without_a_key(event: Event) -> None:
    """No key was ever made for it, so that asking for one would find none."""
    kind, data = type_of(event), encode(event)
    assert kind.schema_version == 2
    assert not says_personal(event)
    assert decode(kind.name, 2, data) == event
    assert owners_of_sealed([replace(record(1), type=kind.name, schema_version=2, data=data)]) == set()


def test_only_the_keys_of_those_whose_words_are_there_are_asked_for() -> None:
    in_the_clear = replace(
        record(1, owner_id=BERT), type="UserRegistered", schema_version=1, data=encode_in_the_clear()
    )
    records = [record(1, event=builders.registered()), record(2, event=asked()), in_the_clear, record(3)]
    assert owners_of_sealed(records) == {ANNA}
    assert opened(in_the_clear, NO_KEYS) == builders.registered(user_id=BERT)


def encode_in_the_clear() -> bytes:
    return json.dumps(
        {"user_id": str(BERT), "email": EMAIL, "registered_at": "2026-03-01T12:00:00Z"}
    ).encode()


def test_a_field_that_is_absent_stays_so() -> None:
    """As in events of before there was such a field."""
    data = stored(asked(prompt="Minutes"))
    del data["job"]["vocabulary"]
    read = decode("TranscriptionRequested", 2, json.dumps(data).encode(), 1, EVERYBODYS)
    assert read == asked(prompt="Minutes")


@pytest.mark.parametrize("event", PERSONAL, ids=lambda event: type(event).__name__)
def test_nothing_personal_is_written_without_a_key_or_a_place(event: Event) -> None:
    for arguments in ((), (1,), (0, KEY)):
        with pytest.raises(ValueError, match="needs a key and a place"):
            encode(event, *arguments)


def test_every_field_that_is_marked_is_sealed_in_the_last_version_of_its_event() -> None:
    last = {kind.name: kind for kind in FORMS}
    for kind in last.values():
        schema = documents()[event_path(kind)]
        assert all(each.get("x-sealed") for each in _personal(schema)), kind
    assert len(list(_personal(documents()["/schemas/TranscriptionStarted/2"]))) == 2
    assert not any(each.get("x-sealed") for each in _personal(documents()["/schemas/UserRegistered/1"]))


def _personal(schema: Any) -> Any:
    match schema:
        case dict():
            if schema.get("x-personal"):
                yield schema
            for each in schema.values():
                yield from _personal(each)
        case list():
            for each in schema:
                yield from _personal(each)


def test_personal_fields_are_found_in_the_structs_within() -> None:
    assert personal_paths(TranscriptionRequested) == {("job", "prompt"): "", ("job", "vocabulary"): ()}
    assert personal_paths(Job) == {("prompt",): "", ("vocabulary",): ()}


def test_a_key_does_not_show_itself() -> None:
    assert KEY.secret.hex() not in repr(KEY)
    assert str(KEY.secret) not in repr({"key": KEY})


def test_each_type_of_before_is_still_read() -> None:
    sealed = {kind.name for kind in FORMS if kind.schema_version == 2}
    assert {EventType(name, 1) for name in sealed} <= FORMS.keys()


def test_the_same_content_has_one_name_with_each_key_and_no_other_content_has_it() -> None:
    key, other = PersonKey.new(), PersonKey.new()
    assert key.name(b"words") == PersonKey(key.secret).name(b"words")
    assert len({key.name(b"words"), key.name(b"other words"), other.name(b"words")}) == 3
    assert key.name(b"words") != hmac.digest(key.secret, b"words", "sha256").hex()

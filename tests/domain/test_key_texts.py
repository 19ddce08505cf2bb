"""The text of an API key: known by its beginning, and every typing error is found without a look."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.key_texts import (
    KEY_CHARACTERS,
    PREFIX,
    SECRET_BYTES,
    SHOWN_CHARACTERS,
    MalformedKey,
    is_key,
    key_text,
    owner_of_key,
)
from tests.builders import ANNA

SECRETS = st.binary(min_size=SECRET_BYTES, max_size=SECRET_BYTES)
KEY = key_text(bytes(range(SECRET_BYTES)), ANNA)


@given(SECRETS, st.uuids())
def test_a_key_is_letters_and_digits_and_says_whose_it_is(secret: bytes, user_id: UUID) -> None:
    text = key_text(secret, user_id)
    assert len(text) == KEY_CHARACTERS
    assert text.startswith(PREFIX)
    assert text.removeprefix(PREFIX).isalnum()
    assert text.isascii()
    assert is_key(text)
    assert owner_of_key(text) == user_id


@given(SECRETS, SECRETS, st.uuids())
def test_two_secrets_are_two_keys(one: bytes, other: bytes, user_id: UUID) -> None:
    assert (key_text(one, user_id) == key_text(other, user_id)) == (one == other)


@given(st.integers(len(PREFIX), KEY_CHARACTERS - 1), st.characters())
def test_one_wrong_sign_anywhere_is_found(place: int, sign: str) -> None:
    mistyped = KEY[:place] + sign + KEY[place + 1 :]
    if mistyped != KEY:
        with pytest.raises(MalformedKey):
            owner_of_key(mistyped)


@given(st.integers(len(PREFIX), KEY_CHARACTERS - 2))
def test_two_signs_that_changed_places_are_found(place: int) -> None:
    swapped = KEY[:place] + KEY[place + 1] + KEY[place] + KEY[place + 2 :]
    if swapped != KEY:
        with pytest.raises(MalformedKey):
            owner_of_key(swapped)


@pytest.mark.parametrize(
    "text",
    ["", PREFIX, KEY[:-1], KEY + "0", KEY[1:], KEY.upper(), f"{PREFIX}{'z' * 71}", "x" * 77, "é" * 77],
)
def test_what_is_no_key_is_none(text: str) -> None:
    with pytest.raises(MalformedKey):
        owner_of_key(text)


@given(st.text(max_size=100))
def test_any_text_is_a_key_or_refused(text: str) -> None:
    for each in (text, PREFIX + text):
        with pytest.raises(MalformedKey):
            owner_of_key(each)


def test_what_is_shown_of_a_key_says_nothing_of_its_user() -> None:
    other = key_text(bytes(range(SECRET_BYTES)), UUID(int=1))
    assert KEY[:SHOWN_CHARACTERS] == other[:SHOWN_CHARACTERS]

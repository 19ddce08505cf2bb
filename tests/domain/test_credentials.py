"""Which addresses and passwords are taken."""

import pytest

from domain.credentials import email_of, require_strong
from domain.errors import InvalidEmail, WeakPassword

GOOD_EMAILS = [
    "a@b.co",
    "Anna.Smith+tag@Example.COM",
    "o'neil@mail.example.museum",
    "x@xn--bcher-kva.example",
]
BAD_EMAILS = [
    "",
    "anna",
    "anna@",
    "@example.com",
    "anna@example",
    "anna@@example.com",
    "anna@example..com",
    "anna@-example.com",
    "anna@example.com.",
    ".anna@example.com",
    "an..na@example.com",
    "anna smith@example.com",
    "anna@example.com\nbcc: x@example.com",
    "anna@127.0.0.1",
    "änna@example.com",
    f"{'a' * 65}@example.com",
    f"a@{'b' * 60}.{'c' * 60}.{'d' * 60}.{'e' * 60}.{'f' * 20}.com",
]


@pytest.mark.parametrize("text", GOOD_EMAILS)
def test_an_address_is_taken_in_lower_case(text: str) -> None:
    assert email_of(f" {text} ") == text.lower()


@pytest.mark.parametrize("text", BAD_EMAILS)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(InvalidEmail):
        email_of(text)


def test_a_password_has_8_to_1024_characters() -> None:
    require_strong("a" * 8)
    require_strong("ü" * 1024)
    for password in ("", "a" * 7, "a" * 1025):
        with pytest.raises(WeakPassword):
            require_strong(password)

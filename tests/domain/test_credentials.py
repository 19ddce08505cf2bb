"""Which addresses and passwords are taken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.credentials import email_of, password_of, require_strong
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
    "anna@example.com\n",
    "\u00a0anna@example.com",
    "anna@exa\u200bmple.com",
    "anna@ｅxample.com",
    "anna@example。com",
    "anna@xn--.example",
    "anna@xn--zzzzzz9999.example",
    "anna@-ü.example",
    "anna@\ud800.example",
    f"anna@{'ü' * 64}.example",
    "ü" * 100_000 + "@example.com",
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


KELVIN_SIGN = "\u212a"


@pytest.mark.parametrize("text", [f"{KELVIN_SIGN}ate@example.com", f"anna@boo{KELVIN_SIGN}s.example"])
def test_a_sign_that_lower_case_takes_for_a_letter_is_refused(text: str) -> None:
    assert text.lower() in {"kate@example.com", "anna@books.example"}
    with pytest.raises(InvalidEmail):
        email_of(text)


@pytest.mark.parametrize(
    "domain", ["bücher.example", "BÜCHER.Example", "bu\u0308cher.example", "XN--BCHER-KVA.example"]
)
def test_both_spellings_of_an_international_domain_are_one_address(domain: str) -> None:
    assert email_of(f"anna@{domain}") == "anna@xn--bcher-kva.example"


def test_a_domain_that_looks_like_another_is_another() -> None:
    cyrillic_a = "\u0430"
    assert email_of(f"anna@{cyrillic_a}pple.example") != email_of("anna@apple.example")
    assert email_of("anna@faß.example") != email_of("anna@fass.example")


@given(st.text(max_size=40), st.text(max_size=40))
def test_an_address_in_its_one_form_stays_as_it_is(local: str, domain: str) -> None:
    try:
        email = email_of(f"{local}@{domain}.example")
    except InvalidEmail:
        return
    assert email.isascii()
    assert email_of(email) == email


def test_a_password_is_the_same_with_its_letters_composed_and_apart() -> None:
    assert password_of("cafe\u0301 noir") == password_of("café noir")
    assert password_of("x" * 8) == "x" * 8


def test_what_is_too_long_to_be_a_password_is_not_sorted_through() -> None:
    shuffled = "a" + "\u0315\u0301\u0327" * 20_000  # sorting these takes seconds
    assert password_of(shuffled) == shuffled


def test_a_password_has_8_to_1024_characters() -> None:
    require_strong("a" * 8)
    require_strong("ü" * 1024)
    require_strong("u\u0308" * 1024)
    for password in ("", "a" * 7, "a" * 1025, "u\u0308" * 7, "u\u0308" * 1025):
        with pytest.raises(WeakPassword):
            require_strong(password)

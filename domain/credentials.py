"""What may be an e-mail address and a password, and the one form in which each is kept and compared."""

import re
import unicodedata
from typing import Final

import idna

from domain.errors import InvalidEmail, WeakPassword

EMAIL_CHARACTERS_MAX: Final = 254
"""The longest path SMTP carries (RFC 5321, 4.5.3.1.3), without its angle brackets."""
PASSWORD_CHARACTERS_MIN: Final = 8
"""NIST SP 800-63B, 5.1.1: length matters, composition rules do not."""
PASSWORD_CHARACTERS_MAX: Final = 1024
_TYPED_CHARACTERS_MAX: Final = 2 * PASSWORD_CHARACTERS_MAX
"""Before letters are composed; few of them come from more than two characters."""

_ATOM: Final = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_EMAIL: Final = re.compile(rf"(?=.{{1,64}}@){_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+(?!\d+$){_LABEL}")


def email_of(text: str) -> str:
    """The address in its one form, ASCII in lower case: two spellings of one address are one user.

    Only A to Z have another case here: the Kelvin sign, which Unicode takes for a k, is refused. A domain of
    other letters becomes its A-labels (RFC 5891); spaces around are no part of it. Raises InvalidEmail.
    """
    text = text.strip(" ")
    if len(text) > EMAIL_CHARACTERS_MAX:
        raise InvalidEmail
    local, _, domain = text.rpartition("@")
    if not local.isascii():
        raise InvalidEmail
    email = f"{local.lower()}@{'.'.join(map(_ascii_label, domain.split('.')))}"
    if len(email) > EMAIL_CHARACTERS_MAX or not _EMAIL.fullmatch(email):
        raise InvalidEmail
    return email


def _ascii_label(label: str) -> str:
    """A label of a domain as the DNS has it. Raises InvalidEmail."""
    lower = label.lower()
    if label.isascii() and not lower.startswith("xn--"):
        return lower
    if any(_is_ascii_in_disguise(character) for character in label):
        raise InvalidEmail
    try:
        return idna.alabel(unicodedata.normalize("NFC", lower)).decode()
    except UnicodeError as problem:  # idna's own errors are subclasses of it
        raise InvalidEmail from problem


def _is_ascii_in_disguise(character: str) -> bool:
    return not character.isascii() and unicodedata.normalize("NFC", character).lower().isascii()


def password_of(text: str) -> str:
    """The password in NFC: a keyboard that composes its letters and one that does not mean the same.

    NIST SP 800-63B, 5.1.1.2, wants it normalised before it is hashed. What is too long for a password in any
    form stays as it is: sorting the accents of one letter takes time by their square.
    """
    return text if len(text) > _TYPED_CHARACTERS_MAX else unicodedata.normalize("NFC", text)


def require_strong(password: str) -> None:
    """Counts the characters of its one form. Raises WeakPassword."""
    if not PASSWORD_CHARACTERS_MIN <= len(password_of(password)) <= PASSWORD_CHARACTERS_MAX:
        raise WeakPassword(PASSWORD_CHARACTERS_MIN, PASSWORD_CHARACTERS_MAX)

"""What may be an e-mail address and a password."""

import re
from typing import Final

from domain.errors import InvalidEmail, WeakPassword

EMAIL_CHARACTERS_MAX: Final = 254
"""The longest path SMTP carries (RFC 5321, 4.5.3.1.3), without its angle brackets."""
PASSWORD_CHARACTERS_MIN: Final = 8
"""NIST SP 800-63B, 5.1.1: length matters, composition rules do not."""
PASSWORD_CHARACTERS_MAX: Final = 1024

_ATOM: Final = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_EMAIL: Final = re.compile(rf"(?=.{{1,64}}@){_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+(?!\d+$){_LABEL}")


def email_of(text: str) -> str:
    """The address in lower case: two spellings of one address are one user. Raises InvalidEmail."""
    email = text.strip().lower()
    if len(email) > EMAIL_CHARACTERS_MAX or not _EMAIL.fullmatch(email):
        raise InvalidEmail
    return email


def require_strong(password: str) -> None:
    """Raises WeakPassword."""
    if not PASSWORD_CHARACTERS_MIN <= len(password) <= PASSWORD_CHARACTERS_MAX:
        raise WeakPassword(PASSWORD_CHARACTERS_MIN, PASSWORD_CHARACTERS_MAX)

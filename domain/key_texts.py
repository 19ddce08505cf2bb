"""What an API key looks like: a prefix by which scanners know it, the secret, whose it is, and a check sum against typos."""

import zlib
from string import ascii_lowercase, ascii_uppercase, digits
from typing import Final
from uuid import UUID

PREFIX: Final = "steno_"
SECRET_BYTES: Final = 32
"""Of randomness, so that a plain SHA-256 keeps it: nobody guesses 2^256 of them, however fast."""
SHOWN_CHARACTERS: Final = len(PREFIX) + 6
"""By which people know their keys; of the secret it gives 36 bits away, and 220 stay."""

_SIGNS: Final = digits + ascii_uppercase + ascii_lowercase
_VALUES: Final = {sign: value for value, sign in enumerate(_SIGNS)}
_USER_BYTES: Final = 16
_SUM_BYTES: Final = 4
_SECRET_SIGNS: Final = 43
_USER_SIGNS: Final = 22
_SUM_SIGNS: Final = 6
KEY_CHARACTERS: Final = len(PREFIX) + _SECRET_SIGNS + _USER_SIGNS + _SUM_SIGNS


class MalformedKey(ValueError):
    """No key of ours: mistyped, cut off, or made up by somebody who does not know how."""


def key_text(secret: bytes, user_id: UUID) -> str:
    """Letters and digits alone, so that a double click takes all of it and no shell changes any."""
    assert len(secret) == SECRET_BYTES
    body = PREFIX + _written(secret, _SECRET_SIGNS) + _written(user_id.bytes, _USER_SIGNS)
    return body + _sum(body)


def is_key(text: str) -> bool:
    """Whether it is meant to be one."""
    return text.startswith(PREFIX)


def owner_of_key(text: str) -> UUID:
    """Whose it says it is, which is still to be proven. Raises MalformedKey, and nothing has to be looked up for that."""
    body, sum_ = text[:-_SUM_SIGNS], text[-_SUM_SIGNS:]
    if len(text) != KEY_CHARACTERS or not text.isascii() or not is_key(text) or _sum(body) != sum_:
        raise MalformedKey
    return UUID(bytes=_read(body[-_USER_SIGNS:], _USER_BYTES))


def _sum(body: str) -> str:
    return _written(zlib.crc32(body.encode()).to_bytes(_SUM_BYTES), _SUM_SIGNS)


def _written(content: bytes, signs: int) -> str:
    """As a number in base 62, with zeros in front."""
    number, text = int.from_bytes(content), ""
    for _ in range(signs):
        number, value = divmod(number, len(_SIGNS))
        text = _SIGNS[value] + text
    assert number == 0
    return text


def _read(text: str, length: int) -> bytes:
    """Raises MalformedKey."""
    number = 0
    for sign in text:
        if sign not in _VALUES:
            raise MalformedKey
        number = number * len(_SIGNS) + _VALUES[sign]
    try:
        return number.to_bytes(length)
    except OverflowError:
        raise MalformedKey from None

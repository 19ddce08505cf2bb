"""What may be said in public of an error nobody expected: where it was, and never what it held."""

import traceback
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final

from msgspec import Struct

_ROOT: Final = Path(__file__).parents[2]
_DIGITS: Final = 12


class Fingerprint(Struct, frozen=True, kw_only=True):
    """`text` is the same each time the same line fails in the same way; `places` are lines of our code, outermost first.

    Neither has the message of the error or a value of a variable: both may be somebody's words or address.
    """

    type: str
    places: tuple[str, ...]

    @property
    def text(self) -> str:
        digest = sha256("\n".join(self.places).encode()).hexdigest()[:_DIGITS]
        return f"{self.type} {digest} at {self.places[-1] if self.places else 'no line of ours'}"


def fingerprint_of(problem: BaseException) -> Fingerprint:
    kind = type(problem)
    return Fingerprint(type=f"{kind.__module__}.{kind.__qualname__}", places=tuple(_places(problem)))


def _places(problem: BaseException) -> Iterator[str]:
    for frame, line in traceback.walk_tb(problem.__traceback__):
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(_ROOT) and "site-packages" not in path.parts:
            module = ".".join(path.relative_to(_ROOT).with_suffix("").parts)
            yield f"{module}:{line}"

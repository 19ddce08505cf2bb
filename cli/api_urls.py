"""Where an API is: the URL that a person gives, in its one form."""

from typing import Final

import httpx

from infrastructure.settings import InvalidSetting

_PORT_MAX: Final = 65_535


class NoUrl(InvalidSetting):
    def __init__(self, given: str) -> None:
        super().__init__(f"{given!r} is no URL of an API: give one such as https://transcripts.example.com")


def api_root(given: str) -> str:
    """Without `/v1`, which OpenAI's clients want at its end. Raises NoUrl."""
    try:
        url = httpx.URL(given.strip())
    except httpx.InvalidURL:
        raise NoUrl(given) from None
    if url.scheme not in {"http", "https"} or not url.host or not 0 < (url.port or 1) <= _PORT_MAX:
        raise NoUrl(given)
    return str(url.copy_with(query=None, fragment=None)).rstrip("/").removesuffix("/v1").rstrip("/")

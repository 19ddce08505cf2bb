"""A page for each kind of problem: where the `type` of a problem document leads (RFC 9457, 3.1.1)."""

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from html import escape
from http import HTTPStatus
from pathlib import Path
from typing import Final

import msgspec
from litestar import Response, get
from litestar.params import FromPath
from msgspec import Struct

from api.errors import PROBLEMS_PATH, status_of, title_of
from domain.errors import NotFound, Rejection

_FILE: Final = Path(__file__).with_name("problems.toml")
_HEADERS: Final = {"Cache-Control": "public, max-age=3600"}
_SHOWN_MAX: Final = 80
_PAGE: Final = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title></head>
<body>
<h1>{title}</h1>
{body}
</body>
</html>
"""


class Meaning(Struct, frozen=True, forbid_unknown_fields=True):
    """`status` is None where the class of the rejection has one."""

    means: str
    do: str
    status: int | None = None


@cache
def meanings() -> Mapping[str, Meaning]:
    """By code, of all there are."""
    return msgspec.convert(tomllib.loads(_FILE.read_text(encoding="utf-8")), dict[str, Meaning])


@cache
def statuses() -> Mapping[str, int]:
    """By code."""
    of_classes = {each.code: int(status_of(each)) for each in rejections()}
    return of_classes | {code: each.status for code, each in meanings().items() if each.status is not None}


def rejections(parent: type[Rejection] = Rejection) -> Iterator[type[Rejection]]:
    """All with a code of their own."""
    for each in parent.__subclasses__():
        if "code" in vars(each):
            yield each
        yield from rejections(each)


@get(PROBLEMS_PATH, include_in_schema=False, media_type="text/html", sync_to_thread=False)
def list_problems() -> Response[str]:
    """All of them, with their statuses."""
    items = "\n".join(
        f'<li><a href="{PROBLEMS_PATH}/{code}">{title_of(code)}</a> ({statuses()[code]})</li>'
        for code in sorted(meanings())
    )
    return _page("Problems of the Stenolog API", f"<ul>\n{items}\n</ul>")


@get(f"{PROBLEMS_PATH}/{{code:str}}", include_in_schema=False, media_type="text/html", sync_to_thread=False)
def get_problem(code: FromPath[str]) -> Response[str]:
    meaning = meanings().get(code)
    if meaning is None:
        raise NotFound(f"No problem {code[:_SHOWN_MAX]!r}: {PROBLEMS_PATH} lists those there are")
    status = HTTPStatus(statuses()[code])
    body = (
        f"<p><code>{code}</code>, status {status.value} {escape(status.phrase)}</p>\n"
        f"<h2>What it means</h2>\n<p>{escape(meaning.means)}</p>\n"
        f"<h2>What to do</h2>\n<p>{escape(meaning.do)}</p>\n"
        f'<p><a href="{PROBLEMS_PATH}">All problems</a></p>'
    )
    return _page(title_of(code), body)


def _page(title: str, body: str) -> Response[str]:
    return Response(_PAGE.format(title=title, body=body), media_type="text/html", headers=_HEADERS)

"""Searching what was said: one's own transcripts by how well they answer, with snippets and the times to jump to."""

from typing import Annotated, Final
from urllib.parse import urlencode

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from api.consistency import BEHIND, STATUS_HEADER
from api.errors import problems
from api.parts import Parts
from api.requests import AuthenticatedRequest, Caller, add_header
from domain.errors import InvalidField, PersonErased
from projections.passages import Question, question_of
from projections.searching import BEGINNING, Found, decode_rank_cursor, search, standing_of
from projections.snippets import Snippet
from schemas.bodies import FoundBody, SnippetBody, SnippetPart

QUERY_CHARACTERS_MAX: Final = 200
TERMS_MAX: Final = 16
LIMIT_DEFAULT: Final = 20
LIMIT_MAX: Final = 50

Query = Annotated[
    str,
    QueryParameter(
        name="q",
        description='What to look for, in the words of a search engine: all of these words within some two minutes; "exactly these"; '
        "this or that; -without",
    ),
]
SearchLimit = Annotated[
    int, QueryParameter(name="limit", ge=1, le=LIMIT_MAX, description="Transcripts per page")
]
SearchCursor = Annotated[
    str | None, QueryParameter(name="cursor", description="Where to go on: from the Link header of a page")
]


@get("/search", responses=problems(400, 401, 410, 503), tags=["transcriptions"])
async def find(
    *,
    request: AuthenticatedRequest,
    caller: NamedDependency[Caller],
    parts: NamedDependency[Parts],
    q: Query,
    limit: SearchLimit = LIMIT_DEFAULT,
    cursor: SearchCursor = None,
) -> Response[list[FoundBody]]:
    """Your transcripts in which something is said, the best answer first.

    An edited text takes the place of what was heard, and a transcript can be searched a moment after it is complete: while some
    of yours cannot yet, the answer says `Consistency-Status: behind`.
    """
    question, after = _question(q), decode_rank_cursor(cursor) if cursor else BEGINNING
    async with parts.reading() as connection:
        standing = await standing_of(connection, caller.user_id)
        if standing.leaves:
            raise PersonErased
        found = await search(connection, caller.user_id, question, limit + 1, after)
    if standing.is_behind:
        add_header(request.scope, STATUS_HEADER, BEHIND)
    headers = {}
    if len(found) > limit:
        query = urlencode({"q": q, "limit": limit, "cursor": found[limit - 1].cursor.encode()})
        headers["Link"] = f'</v1/search?{query}>; rel="next"'
    return Response([_body(each) for each in found[:limit]], headers=headers)


def _question(text: str) -> Question:
    """Raises InvalidField."""
    if len(text) > QUERY_CHARACTERS_MAX:
        raise InvalidField("q", f"may have at most {QUERY_CHARACTERS_MAX} characters")
    if len(text.split()) > TERMS_MAX:
        raise InvalidField("q", f"may have at most {TERMS_MAX} words")
    if not any(sign.isalnum() for sign in text):
        raise InvalidField("q", "has no word to look for")
    return question_of(text)


def _body(found: Found) -> FoundBody:
    return FoundBody(
        transcription_id=found.transcription_id,
        file_id=found.file_id,
        filename=found.filename,
        passages=found.passages,
        snippets=[_snippet(each) for each in found.snippets],
    )


def _snippet(snippet: Snippet) -> SnippetBody:
    return SnippetBody(
        start_ms=snippet.start_ms,
        parts=[SnippetPart(text=part.text, match=part.match) for part in snippet.parts],
    )

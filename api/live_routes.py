"""Following transcriptions as they go on."""

from typing import Annotated, Any, Final
from uuid import UUID

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, HeaderParameter

from api.errors import problems
from api.following import final_mark_of
from api.live_position import LAST_EVENT_ID, decode_position
from api.live_streams import MEDIA_TYPE, LiveStream
from api.parts import Parts
from api.requests import Caller
from api.transcriptions import find_owned
from domain.transcription import ACTIVE

LastEventId = Annotated[
    str | None,
    HeaderParameter(
        name=LAST_EVENT_ID, description="The id of the last event you got: you are told what you missed"
    ),
]
_STREAM: Final = ResponseSpec(
    str,
    media_type=MEDIA_TYPE,
    description="Server-Sent Events: `transcription`, `window` and `deleted`, each with JSON as its data",
    generate_examples=False,
)


@get(
    "/transcriptions/{transcription_id:str}/events",
    responses=problems(400, 401, 403, 404, 410, 429, 503)
    | {
        200: _STREAM,
        204: ResponseSpec(None, description="You know its last state: there is no more to come"),
    },
    tags=["live"],
)
async def follow_transcription(
    transcription_id: FromPath[UUID],
    caller: NamedDependency[Caller],
    parts: NamedDependency[Parts],
    last_event_id: LastEventId = None,
) -> Response[Any]:
    """The whole state whenever it changes, with the text once it is completed, and the text of each finished window.

    The stream ends after the last state.
    """
    since = decode_position(last_event_id)
    view = await find_owned(parts, transcription_id, caller.user_id)
    if view.status not in ACTIVE and since.end == final_mark_of(view):
        return Response(None, status_code=204)  # Browsers come back until they are told this.
    return LiveStream(parts, caller.user_id, transcription_id, since)


@get(
    "/events",
    responses=problems(400, 401, 410, 429, 503) | {200: _STREAM},
    tags=["live"],
)
async def follow_everything(
    caller: NamedDependency[Caller],
    parts: NamedDependency[Parts],
    last_event_id: LastEventId = None,
) -> Response[Any]:
    """All of your transcriptions: those under way, those that changed since `Last-Event-ID`, and whatever changes; without texts but those of windows."""
    return LiveStream(parts, caller.user_id, None, decode_position(last_event_id))

"""What routes that change a transcript have in common: which revision the client meant, and the answer that names the one it has now."""

from typing import Final
from uuid import UUID

from litestar import Response
from litestar.datastructures import ResponseHeader
from msgspec import UNSET, UnsetType

from api.consistency import settle
from api.etags import IF_MATCH, etag_of, states_meant
from api.parts import Parts
from api.requests import AuthenticatedRequest, sent_together
from commands.revising import Revised
from domain.transcription import Status
from schemas.bodies import TranscriptChange

REVISION_HEADERS: Final = [
    ResponseHeader(
        name="ETag", value="", description="Names the revision, for If-Match", documentation_only=True
    )
]


def expected_by(request: AuthenticatedRequest) -> frozenset[str] | None:
    """The tags of the revisions that may be changed, None for any. Raises InvalidField."""
    return states_meant(sent_together(request.scope, IF_MATCH))


async def revised(
    request: AuthenticatedRequest,
    parts: Parts,
    transcription_id: UUID,
    left: Revised,
    message: str,
    *,
    replaced_count: int | UnsetType = UNSET,
) -> Response[TranscriptChange]:
    """The answer, once the next query shows the revision."""
    await settle(request, parts.progress, left.address, parts.settings.consistency_wait_seconds)
    change = TranscriptChange(
        transcription_id=transcription_id,
        status=Status.COMPLETED,
        message=message,
        revision=left.revision,
        replaced_count=replaced_count,
    )
    return Response(change, headers={"ETag": etag_of(left.tag)})

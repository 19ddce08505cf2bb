"""How many minutes are left."""

from uuid import UUID

from litestar import Response, get
from litestar.di import NamedDependency

from api.errors import problems
from api.parts import Parts
from api.plain import NOT_MODIFIED, Answer, plainly
from api.requests import AuthenticatedRequest, Caller
from commands.execution import load
from domain.errors import PersonErased
from domain.quota import QUOTA, Quota
from domain.user import USER, require_staying
from projections.quota import QuotaRow
from schemas.bodies import QuotaBody


async def _answer(parts: Parts, user_id: UUID, _: list[UUID]) -> Answer:
    row = await parts.reads.quota.answer(user_id)
    if row is not None and row.leaves:
        raise PersonErased
    return Answer(await _of_log(parts, user_id) if row is None else _body(row))


@get(
    "/user/quota",
    middleware=[plainly(_answer)],
    responses=problems(401, 410) | NOT_MODIFIED,
    tags=["quota"],
)
async def get_quota(
    request: AuthenticatedRequest, caller: NamedDependency[Caller], parts: NamedDependency[Parts]
) -> Response[QuotaBody]:
    """Minutes left, held for what is being transcribed, and spent."""
    return (await _answer(parts, caller.user_id, [])).response_to(request)


async def _of_log(parts: Parts, user_id: UUID) -> QuotaBody:
    """Of somebody who has just registered, when the read models are late. Raises PersonErased."""
    require_staying((await load(parts.store, USER, user_id, user_id)).state)
    return _body((await load(parts.store, QUOTA, user_id, user_id)).state)


def _body(quota: QuotaRow | Quota) -> QuotaBody:
    return QuotaBody(
        quota_minutes_remaining=quota.minutes_available,
        quota_minutes_reserved=quota.minutes_reserved,
        quota_minutes_used=quota.minutes_debited,
    )

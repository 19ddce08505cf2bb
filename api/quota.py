"""How many minutes are left."""

from litestar import get
from litestar.di import NamedDependency

from api.errors import problems
from api.parts import Parts
from api.requests import Caller
from commands.execution import load
from domain.quota import QUOTA
from projections import quota
from schemas.bodies import QuotaBody


@get("/user/quota", responses=problems(401), tags=["quota"])
async def get_quota(caller: NamedDependency[Caller], parts: NamedDependency[Parts]) -> QuotaBody:
    """Minutes left, held for what is being transcribed, and spent."""
    async with parts.reading() as connection:
        row = await quota.find(connection, caller.user_id)
    if row is None:
        return await _of_log(parts, caller)
    return QuotaBody(
        quota_minutes_remaining=row.minutes_available,
        quota_minutes_reserved=row.minutes_reserved,
        quota_minutes_used=row.minutes_debited,
    )


async def _of_log(parts: Parts, caller: Caller) -> QuotaBody:
    """Of somebody who has just registered, when the read models are late."""
    state = (await load(parts.store, QUOTA, caller.user_id)).state
    return QuotaBody(
        quota_minutes_remaining=state.minutes_available,
        quota_minutes_reserved=state.minutes_reserved,
        quota_minutes_used=state.minutes_debited,
    )

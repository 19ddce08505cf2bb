"""How many minutes are left."""

from litestar import get
from litestar.di import NamedDependency

from api.accounts import UserNotFound
from api.database import reading
from api.errors import problems
from api.parts import Parts
from api.requests import Caller
from projections import quota
from schemas.bodies import QuotaBody


@get("/user/quota", responses=problems(401, 404), tags=["quota"])
async def get_quota(caller: NamedDependency[Caller], parts: NamedDependency[Parts]) -> QuotaBody:
    """Minutes left, held for what is being transcribed, and spent."""
    async with reading(parts.read_models) as connection:
        row = await quota.find(connection, caller.user_id)
    if row is None:
        raise UserNotFound
    return QuotaBody(
        quota_minutes_remaining=row.minutes_available,
        quota_minutes_reserved=row.minutes_reserved,
        quota_minutes_used=row.minutes_debited,
    )

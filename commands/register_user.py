"""Registers a user: the password's hash, the event and the free minutes, all or none."""

from uuid import uuid5

from commands.execution import Loaded
from domain.log import Address, Provenance
from domain.ports import Credentials, StoredCredentials
from domain.quota import QUOTA, GrantQuota, Quota
from domain.user import USER, RegisterUser, User


async def register_user(
    command: RegisterUser,
    password_hash: bytes,
    free_minutes: int,
    credentials: Credentials,
    provenance: Provenance,
) -> Address:
    """`command.user_id` is new, so there is no stream to load. Raises EmailTaken."""
    owner_id = command.user_id
    user = Loaded(USER, USER.stream_id(owner_id), 0, User())
    quota = Loaded(QUOTA, QUOTA.stream_id(owner_id), 0, Quota())
    grant = GrantQuota(
        user_id=owner_id,
        grant_id=uuid5(owner_id, "free minutes"),
        minutes=free_minutes,
        granted_at=command.registered_at,
    )
    return await credentials.register(
        command.email,
        StoredCredentials(user_id=owner_id, password_hash=password_hash),
        [user.decide(command, owner_id), quota.decide(grant, owner_id)],
        provenance,
    )

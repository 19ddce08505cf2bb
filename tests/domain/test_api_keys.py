"""API keys: made up to a limit, each with a name and scopes, and gone once they are revoked."""

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given as sampled
from hypothesis import strategies as st

from domain.api_keys import (
    API_KEYS,
    KEYS_MAX,
    NAME_CHARACTERS_MAX,
    ApiKeyCommand,
    ApiKeyCreated,
    ApiKeyEvent,
    CreateApiKey,
    RevokeAllApiKeys,
    RevokeApiKey,
    end_of,
    name_of,
    scopes_of,
)
from domain.errors import ApiKeyNotFound, InvalidField, TooManyApiKeys
from domain.personal import personal_fields
from tests.builders import ANNA, LATER, NOON, api_key_created, api_key_revoked, identity
from tests.domain.spec import given

FULL = [api_key_created(key=str(number)) for number in range(KEYS_MAX)]


def creation(event: ApiKeyCreated) -> CreateApiKey:
    return CreateApiKey(**{name: getattr(event, name) for name in CreateApiKey.__struct_fields__})


def revocation(key: str = "key") -> RevokeApiKey:
    return RevokeApiKey(key_id=identity(key), user_id=ANNA, revoked_at=NOON)


def test_a_key_is_made_once() -> None:
    event = api_key_created(scopes=("read", "write"), expires_at=LATER)
    given(API_KEYS).when(creation(event)).then(event)


def test_a_key_is_revoked_once_and_then_nobody_knows_it() -> None:
    given(API_KEYS, api_key_created()).when(revocation()).then_once(api_key_revoked())
    given(API_KEYS, api_key_created(), api_key_revoked()).when(revocation()).then_rejected(ApiKeyNotFound)
    given(API_KEYS).when(revocation()).then_rejected(ApiKeyNotFound)


def test_so_many_keys_may_somebody_have_and_no_more() -> None:
    last = creation(FULL[-1])
    given(API_KEYS, *FULL[:-1]).when(last).then(FULL[-1])
    given(API_KEYS, *FULL).when(creation(api_key_created(key="more"))).then_rejected(TooManyApiKeys)


def test_a_revoked_key_makes_room_and_so_does_one_that_has_expired() -> None:
    more = api_key_created(key="more", created_at=LATER)
    given(API_KEYS, *FULL, api_key_revoked(key="3")).when(creation(more)).then(more)
    brief = api_key_created(key="brief", expires_at=NOON + timedelta(seconds=1))
    given(API_KEYS, *FULL[:-1], brief).when(creation(more)).then(more)


def test_who_leaves_has_all_keys_revoked() -> None:
    command = RevokeAllApiKeys(user_id=ANNA, revoked_at=NOON)
    keys = [api_key_created(key="first"), api_key_created(key="second")]
    revoked = [api_key_revoked(key="first"), api_key_revoked(key="second")]
    given(API_KEYS, *keys).when(command).then(*revoked)
    given(API_KEYS).when(command).then_nothing()


def test_an_expired_key_is_listed_until_the_next_is_made() -> None:
    brief = api_key_created(key="brief", expires_at=NOON)
    assert identity("brief") in API_KEYS.fold([brief]).keys
    keys = API_KEYS.fold([brief, api_key_created(key="next", created_at=LATER)]).keys
    assert list(keys) == [identity("next")]


def test_a_key_is_found_by_its_digest_alone() -> None:
    state = API_KEYS.fold([api_key_created(key="first"), api_key_created(key="second")])
    found = state.with_digest(api_key_created(key="second").key_sha256)
    assert found is not None
    assert found.key_id == identity("second")
    assert state.with_digest("0" * 64) is None


def test_the_name_is_marked_personal() -> None:
    assert personal_fields(ApiKeyCreated) == {"name"}


def test_the_name_of_a_key_says_something_on_one_line() -> None:
    assert name_of("  Bazarr on the NAS ") == "Bazarr on the NAS"
    assert name_of("ü" * NAME_CHARACTERS_MAX)
    for text in ("", "  ", "a\nb", "\x1b[31m", "ü" * (NAME_CHARACTERS_MAX + 1)):
        with pytest.raises(InvalidField):
            name_of(text)


def test_scopes_are_taken_once_and_at_least_one() -> None:
    assert scopes_of(("write", "read", "write")) == ("read", "write")
    with pytest.raises(InvalidField):
        scopes_of(())


def test_a_key_expires_in_time_to_come_or_never() -> None:
    assert end_of(None, NOON) is None
    assert end_of(LATER, NOON) == LATER
    for past in (NOON, NOON - timedelta(days=1)):
        with pytest.raises(InvalidField):
            end_of(past, NOON)


def test_when_a_key_expires_is_kept_in_utc_and_no_moment_that_has_no_year_there() -> None:
    ahead, behind = (timezone(sign * timedelta(hours=23, minutes=59)) for sign in (1, -1))
    kept = end_of(LATER.astimezone(ahead), NOON)
    assert kept == LATER
    assert kept.utcoffset() == timedelta()
    for nowhere in (datetime.max.replace(tzinfo=behind), datetime.min.replace(tzinfo=ahead)):
        with pytest.raises(InvalidField, match="no year that is counted"):
            end_of(nowhere, NOON)


@sampled(
    st.lists(st.tuples(st.sampled_from(["create", "revoke", "leave"]), st.integers(0, 30), st.booleans()))
)
def test_whatever_is_asked_for_nobody_ever_has_more_than_the_limit(
    asked: list[tuple[str, int, bool]],
) -> None:
    history: list[ApiKeyEvent] = []
    for minute, (what, number, is_brief) in enumerate(asked):
        now = NOON + timedelta(minutes=minute)
        expires_at = now + timedelta(minutes=5) if is_brief else None
        created = api_key_created(key=str(number), created_at=now, expires_at=expires_at)
        commands: dict[str, ApiKeyCommand] = {
            "create": creation(created),
            "revoke": revocation(str(number)),
            "leave": RevokeAllApiKeys(user_id=ANNA, revoked_at=now),
        }
        try:
            history += API_KEYS.decide(commands[what], API_KEYS.fold(history))
        except (TooManyApiKeys, ApiKeyNotFound):
            continue
        state = API_KEYS.fold(history)
        assert len(state.unexpired(now)) <= KEYS_MAX
        assert all(key_id == key.key_id for key_id, key in state.keys.items())

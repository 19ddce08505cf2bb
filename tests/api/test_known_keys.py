"""API keys as a process knows them: for a second without a look, never past their end, and not at all when nobody can tell."""

import asyncio
import logging
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

import pytest

from api.key_guesses import GUESSES_MAX, SOURCES_MAX, WINDOW_SECONDS, KeyGuesses
from api.known_keys import KNOWN_KEYS_MAX, KNOWN_SECONDS, NOTED_SECONDS, KnownKey, KnownKeys
from api.rejections import TooManyTries
from api.tokens import NotAuthenticated
from domain.api_keys import ApiKey
from domain.key_texts import SECRET_BYTES, key_text
from infrastructure.postgres.errors import DatabaseUnavailable
from tests.builders import ANNA, BERT, NOON, identity

ANNAS = key_text(bytes(SECRET_BYTES), ANNA)
SOURCE = "192.0.2.1"
BERTS = key_text(bytes(SECRET_BYTES), BERT)


class Keyring:
    """Keys that are good, who was looked for among them, which use was noted, and a clock."""

    def __init__(self, *there: str) -> None:
        self.there = {digest(text): api_key(text) for text in there}
        self.looks: list[tuple[UUID, str]] = []
        self.noted: list[UUID] = []
        self.seconds = 0.0
        self.is_away = self.is_noting_away = False
        self.known = KnownKeys(self.look, self.note, self, lambda: self.seconds)

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.seconds)

    async def look(self, user_id: UUID, key_sha256: str) -> ApiKey | None:
        self.looks.append((user_id, key_sha256))
        if self.is_away:
            raise DatabaseUnavailable("nobody is there")
        return self.there.get(key_sha256)

    async def note(self, key_id: UUID, user_id: UUID) -> None:
        assert user_id in (ANNA, BERT)
        if self.is_noting_away:
            raise DatabaseUnavailable("nobody is there")
        self.noted.append(key_id)

    async def verify(self, text: str, source: str = SOURCE) -> KnownKey:
        return await self.known.verify(text, lambda: source)

    async def refuses(self, text: str) -> bool:
        try:
            await self.verify(text)
        except NotAuthenticated:
            return True
        return False


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def api_key(text: str, expires_at: datetime | None = None) -> ApiKey:
    return ApiKey(
        key_id=identity(text),
        name="Bazarr",
        scopes=("read",),
        prefix=text[:12],
        key_sha256=digest(text),
        created_at=NOON,
        expires_at=expires_at,
    )


async def test_a_key_that_was_found_is_not_looked_for_at_each_request() -> None:
    ring = Keyring(ANNAS)
    found = [await ring.verify(ANNAS) for _ in range(5)]
    assert {each.user_id for each in found} == {ANNA}
    assert ring.looks == [(ANNA, digest(ANNAS))]


async def test_a_key_that_another_process_revoked_is_refused_within_a_second() -> None:
    ring = Keyring(ANNAS)
    await ring.verify(ANNAS)
    ring.there.clear()
    ring.seconds += KNOWN_SECONDS
    assert KNOWN_SECONDS <= 1
    assert await ring.refuses(ANNAS)


async def test_a_key_that_this_process_revoked_is_refused_at_once_and_no_other_persons() -> None:
    ring = Keyring(ANNAS, BERTS)
    for text in (ANNAS, BERTS):
        await ring.verify(text)
    ring.there.clear()
    ring.known.forget(ANNA)
    assert await ring.refuses(ANNAS)
    assert not await ring.refuses(BERTS)


async def test_what_is_revoked_while_it_is_looked_for_is_not_remembered() -> None:
    ring = Keyring(ANNAS)
    looking, revoked = asyncio.Event(), asyncio.Event()

    async def slow_look(user_id: UUID, key_sha256: str) -> ApiKey | None:
        found = await ring.look(user_id, key_sha256)
        looking.set()
        await revoked.wait()
        return found

    known = KnownKeys(slow_look, ring.note, ring, lambda: ring.seconds)
    first = asyncio.create_task(known.verify(ANNAS, lambda: SOURCE))
    await looking.wait()
    ring.there.clear()
    known.forget(ANNA)
    revoked.set()
    await first
    with pytest.raises(NotAuthenticated):
        await known.verify(ANNAS, lambda: SOURCE)


async def test_an_unknown_key_is_looked_for_each_time_as_it_may_have_been_made() -> None:
    ring = Keyring()
    assert await ring.refuses(ANNAS)
    ring.there[digest(ANNAS)] = api_key(ANNAS)
    assert not await ring.refuses(ANNAS)


async def test_a_mistyped_key_takes_no_look() -> None:
    ring = Keyring(ANNAS)
    for text in (ANNAS[:-1], ANNAS[:-1] + "!", ANNAS + "0", "steno_", "steno_é"):
        assert await ring.refuses(text)
    assert ring.looks == []


async def test_a_remembered_key_ends_when_it_expires() -> None:
    ring = Keyring()
    ring.there[digest(ANNAS)] = api_key(ANNAS, NOON + timedelta(seconds=KNOWN_SECONDS / 2))
    assert not await ring.refuses(ANNAS)
    ring.seconds += KNOWN_SECONDS / 2
    assert await ring.refuses(ANNAS)
    assert len(ring.looks) == 1


async def test_when_the_log_cannot_be_asked_no_key_is_accepted_any_more() -> None:
    ring = Keyring(ANNAS)
    await ring.verify(ANNAS)
    ring.is_away = True
    assert not await ring.refuses(ANNAS)
    ring.seconds += KNOWN_SECONDS
    with pytest.raises(DatabaseUnavailable):
        await ring.verify(ANNAS)


async def test_a_crowd_that_shows_one_key_is_looked_for_once() -> None:
    ring = Keyring(ANNAS)
    crowd = [asyncio.create_task(ring.verify(ANNAS)) for _ in range(100)]
    await asyncio.sleep(0)
    crowd.pop().cancel()
    assert {each.user_id for each in await asyncio.gather(*crowd)} == {ANNA}
    assert len(ring.looks) == 1


async def test_only_so_many_are_remembered_and_none_that_is_made_up() -> None:
    texts = [key_text(number.to_bytes(SECRET_BYTES), ANNA) for number in range(KNOWN_KEYS_MAX + 2)]
    ring = Keyring(*texts)
    for text in texts:
        await ring.verify(text)
    ring.looks.clear()
    for number in range(3):
        assert await ring.refuses(made_up(number))
    await ring.verify(texts[2])
    assert len(ring.looks) == 3
    await ring.verify(texts[0])
    assert len(ring.looks) == 4


def made_up(number: int) -> str:
    return key_text(number.to_bytes(SECRET_BYTES), BERT)


async def test_who_shows_many_made_up_keys_causes_no_more_looks_for_a_while() -> None:
    ring = Keyring(ANNAS)
    await ring.verify(ANNAS)
    ring.looks.clear()
    for number in range(GUESSES_MAX):
        assert await ring.refuses(made_up(number))
    with pytest.raises(TooManyTries) as refused:
        await ring.verify(made_up(GUESSES_MAX))
    assert refused.value.retry_after_seconds == WINDOW_SECONDS
    assert len(ring.looks) == GUESSES_MAX
    ring.seconds += WINDOW_SECONDS
    assert await ring.refuses(made_up(GUESSES_MAX))


async def test_neither_a_good_key_nor_another_source_is_kept_out_by_made_up_ones() -> None:
    ring = Keyring(ANNAS, BERTS)
    await ring.verify(ANNAS)
    for number in range(1, GUESSES_MAX + 1):
        assert await ring.refuses(made_up(number))
    ring.seconds += KNOWN_SECONDS
    assert (await ring.verify(ANNAS)).user_id == ANNA
    assert (await ring.verify(BERTS, "192.0.2.2")).user_id == BERT
    with pytest.raises(TooManyTries):
        await ring.verify(made_up(GUESSES_MAX + 1))


def test_only_so_many_sources_are_remembered() -> None:
    guesses = KeyGuesses(lambda: 0.0)
    for _ in range(GUESSES_MAX):
        guesses.count("192.0.2.1")
    for number in range(SOURCES_MAX):
        guesses.count(f"2001:db8:{number:x}::")
    guesses.require_allowance("192.0.2.1")


async def test_that_it_is_in_use_is_noted_now_and_then() -> None:
    ring = Keyring(ANNAS)
    while ring.seconds < NOTED_SECONDS:
        await ring.verify(ANNAS)
        ring.seconds += KNOWN_SECONDS
    assert ring.noted == [identity(ANNAS)]
    await ring.verify(ANNAS)
    assert ring.noted == [identity(ANNAS)] * 2


async def test_who_shows_a_key_does_not_suffer_when_that_cannot_be_noted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ring = Keyring(ANNAS)
    ring.is_noting_away = True
    with caplog.at_level(logging.WARNING):
        assert (await ring.verify(ANNAS)).user_id == ANNA
    assert "cannot note" in caplog.text
    assert ANNAS not in caplog.text

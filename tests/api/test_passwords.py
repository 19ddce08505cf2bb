"""Passwords are checked by few threads, for few at a time, and in either form a keyboard may send."""

import asyncio
from base64 import b64encode
from hashlib import sha256

import bcrypt
import pytest

from api.passwords import PENDING_PER_THREAD_MAX, Passwords
from api.rejections import Overloaded

COMPOSED, APART = "pässwörd élan", "pa\u0308sswo\u0308rd e\u0301lan"


@pytest.mark.parametrize(("registered", "typed"), [(COMPOSED, APART), (APART, COMPOSED)])
async def test_a_password_matches_in_another_normal_form(registered: str, typed: str) -> None:
    passwords = Passwords(rounds=4)
    hashed = await passwords.hash(registered)
    assert await passwords.verify(typed, hashed)
    assert await passwords.verify(registered, hashed)
    assert not await passwords.verify("passworden elan", hashed)


async def test_a_hash_of_the_text_as_it_was_typed_still_matches() -> None:
    before = bcrypt.hashpw(b64encode(sha256(APART.encode()).digest()), bcrypt.gensalt(4))
    assert await Passwords(rounds=4).verify(APART, before)


async def test_without_a_hash_nothing_matches() -> None:
    assert not await Passwords(rounds=4).verify(COMPOSED, None)


async def test_beyond_the_queue_everybody_is_told_to_come_back() -> None:
    passwords = Passwords(rounds=4, threads=1)
    asked = [passwords.verify("x", None) for _ in range(PENDING_PER_THREAD_MAX + 10)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert answers.count(False) == PENDING_PER_THREAD_MAX
    refused = [answer for answer in answers if isinstance(answer, Overloaded)]
    assert len(refused) == 10
    assert all(answer.retry_after_seconds >= 1 for answer in refused)
    assert not await passwords.verify("x", None)


async def test_who_goes_away_leaves_the_queue() -> None:
    passwords = Passwords(rounds=10, threads=1)
    asked = [asyncio.create_task(passwords.verify("x", None)) for _ in range(PENDING_PER_THREAD_MAX)]
    await asyncio.sleep(0)
    for task in asked:
        task.cancel()
    await asyncio.wait(asked)
    assert not await passwords.verify("x", None)

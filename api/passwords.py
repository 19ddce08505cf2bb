"""Passwords: hashed with bcrypt in threads of their own, which give way to everything else."""

import asyncio
import os
import sys
import threading
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import Final, ParamSpec, TypeVar
from uuid import uuid4

import bcrypt

from api.rejections import Overloaded
from api.share import cores
from domain.credentials import password_of

ROUNDS: Final = 12
"""A hash takes a quarter of a second of one core."""
THREADS_MAX: Final = 4
PENDING_PER_THREAD_MAX: Final = 16
"""Hashes asked for and not done, so that nobody waits for much longer than RETRY_AFTER_SECONDS."""
RETRY_AFTER_SECONDS: Final = 5
WAIT_SECONDS_MAX: Final = 30.0
NICENESS: Final = 10

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")


class Passwords:
    """bcrypt lets go of the interpreter, so its threads keep cores busy, not the event loop."""

    def __init__(self, rounds: int = ROUNDS, threads: int | None = None) -> None:
        threads = threads or threads_at_most()
        self._rounds = rounds
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="bcrypt", initializer=_give_way)
        self._pending = 0
        self._pending_max = threads * PENDING_PER_THREAD_MAX
        self._nobodys = bcrypt.hashpw(uuid4().hex.encode(), bcrypt.gensalt(rounds))

    async def hash(self, password: str) -> bytes:
        """Of the password in its one form. Raises Overloaded."""
        return await self._in_turn(
            bcrypt.hashpw, _digest(password_of(password)), bcrypt.gensalt(self._rounds)
        )

    async def verify(self, password: str, password_hash: bytes | None) -> bool:
        """False without a hash, but in the same time: who asks does not learn which addresses there are.

        The password as it was typed matches too, since hashes were once made of that. Raises Overloaded.
        """
        forms = dict.fromkeys([password_of(password), password])
        matches = await self._in_turn(
            _matches_any, [_digest(form) for form in forms], password_hash or self._nobodys
        )
        return matches and password_hash is not None

    async def _in_turn(
        self, work: Callable[Arguments, Answer], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Answer:
        if self._pending >= self._pending_max:
            raise Overloaded("logins", RETRY_AFTER_SECONDS)
        self._pending += 1
        try:
            async with asyncio.timeout(WAIT_SECONDS_MAX):
                return await asyncio.wrap_future(self._threads.submit(work, *args, **kwargs))
        finally:
            self._pending -= 1


def _matches_any(digests: list[bytes], password_hash: bytes) -> bool:
    """Tries them all, so that the time tells nothing but how many there are."""
    return sum(bcrypt.checkpw(digest, password_hash) for digest in digests) > 0


def _digest(password: str) -> bytes:
    """A digest, as text, to give to bcrypt, which reads 72 bytes and stops at a NUL.

    Of every password, not of long ones alone: else the digest of a long one would be a second password.
    """
    return b64encode(sha256(password.encode()).digest())


def threads_at_most() -> int:
    """On this machine, however many processes there are."""
    return min(THREADS_MAX, max(1, cores() // 2))


def _give_way() -> None:
    """Linux keeps a niceness for each thread; elsewhere it is the process's, and stays."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)

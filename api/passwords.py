"""Passwords: hashed with bcrypt, in threads of their own number."""

import asyncio
from base64 import b64encode
from hashlib import sha256
from typing import Final
from uuid import uuid4

import bcrypt

ROUNDS: Final = 12
HASHES_AT_ONCE: Final = 4
"""A hash takes a quarter of a second of one core; the rest of the API needs cores too."""


class Passwords:
    def __init__(self, rounds: int = ROUNDS, at_once: int = HASHES_AT_ONCE) -> None:
        self._rounds = rounds
        self._permits = asyncio.Semaphore(at_once)
        self._nobodys = bcrypt.hashpw(uuid4().hex.encode(), bcrypt.gensalt(rounds))

    async def hash(self, password: str) -> bytes:
        async with self._permits:
            return await asyncio.to_thread(bcrypt.hashpw, _digest(password), bcrypt.gensalt(self._rounds))

    async def verify(self, password: str, password_hash: bytes | None) -> bool:
        """False without a hash, but in the same time: who asks does not learn which addresses there are."""
        async with self._permits:
            matches = await asyncio.to_thread(
                bcrypt.checkpw, _digest(password), password_hash or self._nobodys
            )
        return matches and password_hash is not None


def _digest(password: str) -> bytes:
    """A digest, as text, to give to bcrypt, which reads 72 bytes and stops at a NUL.

    Of every password, not of long ones alone: else the digest of a long one would be a second password.
    """
    return b64encode(sha256(password.encode()).digest())

"""Erases people who have asked for it: step by step, each of which may be done again, so that a crash anywhere costs nothing.

UserErasureRequested came first, and since then nothing of them is shown or taken. UserErased comes last. Two who erase at
once waste work, and do no harm.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, Never
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from commands.delete_file import delete_file
from commands.delete_transcription import delete_transcription
from commands.execution import last_event_of
from commands.record_erasure import record_erasure
from commands.revoke_all_api_keys import revoke_all_api_keys
from commands.turns import TooManyAtOnce
from dispatcher.ports import Erasures, Leaving
from domain.api_keys import RevokeAllApiKeys
from domain.log import Address, Provenance
from domain.media_file import MEDIA_FILE, DeleteFile
from domain.ports import (
    Clock,
    EventStore,
    ObjectStore,
    ObjectStoreUnavailable,
    PartitionDetached,
    PersonKeys,
)
from domain.transcription import TRANSCRIPTION
from domain.transcription_commands import DeleteTranscription
from domain.user import USER, RecordErasure
from infrastructure.complaints import Complaints
from infrastructure.telemetry.fingerprints import fingerprint_of
from infrastructure.waiting import Wait
from schemas.objects import folders_of

logger = logging.getLogger(__name__)

ACTOR: Final = "eraser"
AT_ONCE: Final = 16
"""Streams that are ended at the same time; they are of one owner, so that they share round trips."""
HOUR_SECONDS: Final = 3600.0


class ErasureLimits(Struct, frozen=True, kw_only=True):
    settle_seconds: float = 70.0
    """How long what was asked for before may take to arrive: longer than any command waits, and than a process keeps a key."""
    again_seconds: float = 1.0
    """How soon to go on with who is not erased yet."""
    look_seconds: float = 600.0
    """How often to look when nobody has asked: for what was not heard, and for what came late or came back."""
    late_seconds: float = 24 * HOUR_SECONDS
    """For how long what comes late is looked for: from a process that was frozen, or from a backup."""


class Eraser:
    """`outages` are the errors that pass by themselves."""

    def __init__(
        self,
        erasures: Erasures,
        store: EventStore,
        objects: ObjectStore,
        keys: PersonKeys,
        clock: Clock,
        *,
        limits: ErasureLimits | None = None,
        outages: tuple[type[Exception], ...] = (OSError,),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._erasures = erasures
        self._store = store
        self._objects = objects
        self._keys = keys
        self._clock = clock
        self._limits = limits or ErasureLimits()
        self._outages: tuple[type[Exception], ...] = (*outages, ObjectStoreUnavailable, TooManyAtOnce)
        self._monotonic = monotonic
        self._woken = asyncio.Event()
        self._begun: set[UUID] = set()
        """Of whom everything was taken away that there was, by this process."""
        self._complaints = Complaints(logger, monotonic=monotonic)
        self._needs = Wait("what erasing people needs")

    def wake(self) -> None:
        """Somebody may have asked to be erased."""
        self._woken.set()

    async def run(self) -> Never:
        """Until cancelled; may be run again."""
        late_at = float("-inf")
        while True:
            self._woken.clear()
            is_all_done = await self._unless_away(self._erase_all)
            if self._monotonic() >= late_at and await self._unless_away(self._take_away_late):
                late_at = self._monotonic() + self._limits.look_seconds
            await self._rest(self._limits.look_seconds if is_all_done else self._limits.again_seconds)

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            pass

    async def _unless_away(self, work: Callable[[], Awaitable[bool]]) -> bool:
        """Whether all of it is done."""
        try:
            is_done = await work()
            self._needs.is_over()
        except self._outages as problem:
            self._needs.goes_on(type(problem).__name__)
            return False
        return is_done

    async def _erase_all(self) -> bool:
        return all(
            [
                await self._alone(leaving.user_id, self.erase(leaving))
                for leaving in await self._erasures.under_way()
            ]
        )

    async def _take_away_late(self) -> bool:
        """What came after somebody was erased, from a process that was frozen, and a key that came back with a backup."""
        erased = await self._erasures.done_within(self._limits.late_seconds)
        done = [await self._alone(user_id, self._take_away(user_id)) for user_id in erased]
        for user_id in await self._erasures.come_back():
            logger.warning("user %s has come back from a backup and is erased again", user_id)
            done.append(await self._alone(user_id, self._erase_again(user_id)))
        return all(done)

    async def _erase_again(self, user_id: UUID) -> bool:
        """Who had not been erased to the end is under way from now on."""
        await self._take_away(user_id)
        await self._erasures.forget(user_id)
        self.wake()
        return True

    async def _alone(self, user_id: UUID, work: Awaitable[bool]) -> bool:
        """What goes wrong with one keeps nobody else waiting."""
        try:
            return await work
        except PartitionDetached as problem:
            self._complaints.warn(str(user_id), "user %s is not erased yet: %s", user_id, problem)
        except self._outages:
            raise
        except Exception as problem:  # noqa: BLE001  # told without its message, which may be somebody's words
            place = fingerprint_of(problem).text
            self._complaints.warn(str(user_id), "user %s could not be erased: %s", user_id, place)
        return False

    async def erase(self, leaving: Leaving) -> bool:
        """Whether they are erased; else somebody may still be putting something of theirs somewhere."""
        user_id = leaving.user_id
        if user_id not in self._begun:
            await self._take_away(user_id)
            await self._erasures.forget(user_id)
            self._begun.add(user_id)
        if leaving.seconds < self._limits.settle_seconds or await self._erasures.is_worked_for(user_id):
            return False
        await self._take_away(user_id)
        await self._record(user_id)
        await self._erasures.finish(user_id)
        self._begun.discard(user_id)
        logger.info("user %s is erased", user_id)
        return True

    async def _take_away(self, user_id: UUID) -> bool:
        """The key first: then nobody can read or add anything personal in the log, and what could not be read stops nobody."""
        await self._keys.erase(user_id)
        await self._revoke_api_keys(user_id)
        await self._end_streams(user_id)
        for folder in folders_of(user_id):
            await self._objects.delete_all(folder)
        return True

    async def _revoke_api_keys(self, user_id: UUID) -> None:
        command = RevokeAllApiKeys(user_id=user_id, revoked_at=self._clock.now())
        await revoke_all_api_keys(command, self._store, await self._because(user_id))

    async def _end_streams(self, user_id: UUID) -> None:
        """All that there are, also those that come meanwhile."""
        provenance = await self._because(user_id)
        while await self._ended(await self._erasures.open_streams_of(user_id), user_id, provenance):
            pass

    async def _ended(
        self, stream_ids: Iterable[str], user_id: UUID, provenance: Provenance
    ) -> Sequence[Address]:
        """Returns when each has an answer."""
        places = asyncio.Semaphore(AT_ONCE)

        async def end(stream_id: str) -> Address | None:
            async with places:
                return await self._end(stream_id, user_id, provenance)

        answers = await asyncio.gather(*map(end, stream_ids), return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        return [answer for answer in answers if isinstance(answer, Address)]

    async def _end(self, stream_id: str, user_id: UUID, provenance: Provenance) -> Address | None:
        """None where nothing is left to end."""
        category, _, identity = stream_id.partition("-")
        now = self._clock.now()
        if category == TRANSCRIPTION.category:
            delete = DeleteTranscription(
                transcription_id=UUID(identity), user_id=user_id, deleted_at=now, cancels=True
            )
            return await delete_transcription(delete, self._store, provenance)
        if category == MEDIA_FILE.category:
            of_file = DeleteFile(file_id=UUID(identity), user_id=user_id, deleted_at=now)
            return await delete_file(of_file, self._store, provenance)
        return None

    async def _because(self, user_id: UUID) -> Provenance:
        """Of what the person has asked for, which is the last event about them until they are erased."""
        asked_for = await last_event_of(self._store, USER, user_id, user_id)
        return replace(_provenance(user_id), causation_id=asked_for)

    async def _record(self, user_id: UUID) -> None:
        command = RecordErasure(user_id=user_id, erased_at=self._clock.now())
        await record_erasure(command, self._store, _provenance(user_id))


def _provenance(user_id: UUID) -> Provenance:
    return Provenance(actor=ACTOR, correlation_id=user_id)

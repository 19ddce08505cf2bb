"""What every long-running process does: settings, logs on stderr, uvloop, a clean end on SIGTERM and SIGINT."""

import asyncio
import gc
import logging
import signal
import sys
from collections.abc import Callable, Collection, Coroutine, Sequence
from typing import Any, Final, Never

import uvloop

from infrastructure.encryption import Connection, require_encryption
from infrastructure.mendable import Mendable
from infrastructure.settings import InvalidSetting, Settings, read_settings

STOP_SECONDS_MAX: Final = 9.0
"""For finishing or handing over what is in hand, once told to stop."""
SETTINGS_EXIT_CODE: Final = 2
OBJECTS_BETWEEN_COLLECTIONS: Final = 50_000
"""A batch of two thousand events is about that many objects, none of them in a cycle."""

Work = Callable[[Settings], Coroutine[Any, Any, None]]
"""Runs until it is cancelled, or until it has nothing more to do."""

_LOG_FORMAT: Final = "%(asctime)s %(levelname)s %(name)s %(message)s"

logger = logging.getLogger(__name__)


def run_process(work: Work, connections: Collection[Connection]) -> int:
    """Returns the exit code. Signals cancel the work, which is a fine way to end.

    `connections` are those it makes, which are not made in the clear when that is forbidden. About what a person can mend they see one line; other errors are raised.
    """
    try:
        settings = read_settings()
        require_encryption(settings, connections)
        logging.basicConfig(level=settings.log_level.upper(), format=_LOG_FORMAT, stream=sys.stderr)
        collect_rarely()
        uvloop.run(_until_told(work, settings))
    except Mendable as problem:
        return _give_up([problem])
    except ExceptionGroup as problems:
        mendable, others = problems.split(Mendable)
        if mendable is None or others is not None:
            raise
        return _give_up(leaves(mendable))
    return 0


def leaves(group: BaseExceptionGroup[Exception]) -> list[Exception]:
    """The exceptions themselves, out of however many groups."""
    found: list[Exception] = []
    for member in group.exceptions:
        found += leaves(member) if isinstance(member, BaseExceptionGroup) else [member]
    return found


def collect_rarely() -> None:
    """Python looks for cycles whenever 700 more objects live: that was a third of what a projector did."""
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)


async def _until_told(work: Work, settings: Settings) -> None:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    working = asyncio.create_task(work(settings))
    waiting = asyncio.create_task(told.wait())
    await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if not working.done():
        working.cancel()
        await asyncio.wait({working}, timeout=STOP_SECONDS_MAX)
    if not working.done():
        logger.error("not everything ended within %.0f s", STOP_SECONDS_MAX)
    elif not working.cancelled():
        working.result()


async def until_one_ends(*tasks: asyncio.Task[Never]) -> Never:
    """None ends unless it fails or we are told to end: then the others end as well, and have their time for that."""
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    raise next(problem for task in done if (problem := task.exception()) is not None)


def _give_up(problems: Sequence[Exception]) -> int:
    for problem in problems:
        print(problem, file=sys.stderr)  # noqa: T201  # the one line a person sees
    return SETTINGS_EXIT_CODE if any(isinstance(each, InvalidSetting) for each in problems) else 1

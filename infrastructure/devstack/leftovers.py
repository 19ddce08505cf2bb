"""Ends processes that a killed predecessor left behind, and never a stranger that got one of their numbers."""

import asyncio

import psutil

_PATIENCE_SECONDS = 5.0


async def end_leftover(pid: int, argument: str) -> None:
    """Ends process `pid` with its children, if `argument` is part of its command line."""
    try:
        process = psutil.Process(pid)
        if argument in " ".join(process.cmdline()):
            await end_family(process)
    except psutil.NoSuchProcess:
        return


async def end_family(process: psutil.Process) -> None:
    """Asks, waits a few seconds, kills."""
    family = [process, *process.children(recursive=True)]
    for member in family:
        _send(member, kill=False)
    _, alive = await asyncio.to_thread(psutil.wait_procs, family, _PATIENCE_SECONDS)
    for member in alive:
        _send(member, kill=True)
    await asyncio.to_thread(psutil.wait_procs, alive, _PATIENCE_SECONDS)


def _send(process: psutil.Process, *, kill: bool) -> None:
    try:
        process.kill() if kill else process.terminate()
    except psutil.NoSuchProcess:
        return

"""Who sends many files waits for them; somebody else's one file is next."""

import asyncio
from pathlib import Path
from uuid import UUID

import pytest

from api.probing import ProbeQueue
from api.rejections import Overloaded
from infrastructure.media.probe import MediaFacts
from tests.builders import ANNA, BERT

FACTS = MediaFacts(duration_seconds=1.0, container="wav", codec="pcm_s16le", sample_rate=8_000, channels=1)
CLARA = UUID(int=77)


class Probes:
    """Probes that go on until they are told to end."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self._ends: dict[str, asyncio.Event] = {}

    async def probe(self, path: Path) -> MediaFacts:
        self.begun.append(path.name)
        await self._ends.setdefault(path.name, asyncio.Event()).wait()
        return FACTS

    def end(self, name: str) -> None:
        self._ends.setdefault(name, asyncio.Event()).set()


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_one_users_files_are_probed_one_after_the_other_and_another_users_beside_them() -> None:
    probes = Probes()
    queue = ProbeQueue(probes.probe, at_once=2)
    annas = [asyncio.create_task(queue(Path(f"anna {n}"), ANNA)) for n in range(3)]
    await settled()
    assert probes.begun == ["anna 0"]
    bert = asyncio.create_task(queue(Path("bert"), BERT))
    clara = asyncio.create_task(queue(Path("clara"), CLARA))
    await settled()
    assert probes.begun == ["anna 0", "bert"]
    probes.end("anna 0")
    await annas[0]
    await settled()
    assert probes.begun == ["anna 0", "bert", "clara"]
    for name in ("bert", "clara", "anna 1", "anna 2"):
        probes.end(name)
    assert await asyncio.gather(*annas, bert, clara) == [FACTS] * 5


async def test_nobody_waits_for_ever() -> None:
    probes = Probes()
    queue = ProbeQueue(probes.probe, at_once=1, wait_seconds_max=0.01)
    first = asyncio.create_task(queue(Path("anna"), ANNA))
    await settled()
    for user_id in (ANNA, BERT):
        with pytest.raises(Overloaded):
            await queue(Path("later"), user_id)
    probes.end("anna")
    assert await first == FACTS
    probes.end("bert")
    assert await queue(Path("bert"), BERT) == FACTS


async def test_a_client_that_leaves_gives_its_place_away() -> None:
    probes = Probes()
    queue = ProbeQueue(probes.probe, at_once=1)
    first = asyncio.create_task(queue(Path("anna"), ANNA))
    await settled()
    waiting = asyncio.create_task(queue(Path("anna again"), ANNA))
    await settled()
    for task in (first, waiting):
        task.cancel()
    await asyncio.wait({first, waiting})
    probes.end("bert")
    assert await queue(Path("bert"), BERT) == FACTS


async def test_files_that_take_long_make_way_for_others_while_there_is_a_place_aside() -> None:
    probes = Probes()
    queue = ProbeQueue(probes.probe, at_once=1, slow_at_once=1, quick_seconds=0)
    long = asyncio.create_task(queue(Path("anna"), ANNA))
    await settled()
    second = asyncio.create_task(queue(Path("bert"), BERT))
    await settled()
    third = asyncio.create_task(queue(Path("clara"), CLARA))
    await settled()
    assert probes.begun == ["anna", "bert"]
    probes.end("anna")
    assert await long == FACTS
    await settled()
    assert probes.begun == ["anna", "bert", "clara"]
    for name in ("bert", "clara"):
        probes.end(name)
    assert list(await asyncio.gather(second, third)) == [FACTS] * 2


async def test_a_permit_is_given_back_once_whoever_made_way() -> None:
    probes = Probes()
    queue = ProbeQueue(probes.probe, at_once=1, slow_at_once=2, quick_seconds=0)
    for n in range(5):
        task = asyncio.create_task(queue(Path(f"{n}"), ANNA))
        await settled()
        probes.end(f"{n}") if n % 2 else task.cancel()
        await asyncio.wait({task})
    tasks = [asyncio.create_task(queue(Path(f"of {n}"), UUID(int=n))) for n in range(4)]
    await settled()
    assert probes.begun[5:] == ["of 0", "of 1", "of 2"]
    for n in range(4):
        probes.end(f"of {n}")
    assert await asyncio.gather(*tasks) == [FACTS] * 4

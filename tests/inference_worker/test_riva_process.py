"""An engine process that asks Riva: only it reaches the network, and every end of a task reaches the worker as what it is."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest

from domain.attempts import ATTEMPTS_MAX, ENGINE_AWAY, WORKER_STOPPED, failures_after
from domain.instructions import Instructions
from domain.transcription_events import Job
from inference_worker import faults
from inference_worker.child_messages import Finished, WindowDone
from inference_worker.engine_process import EngineProcess
from inference_worker.engine_server import EngineUnavailable
from inference_worker.engines.choice import EngineChoice
from inference_worker.engines.riva.server import RivaServer
from inference_worker.job import Workplace
from inference_worker.worker import Worker
from infrastructure.object_store.folder import FolderObjectStore
from infrastructure.process import leaves
from infrastructure.settings import InvalidSetting, Settings
from schemas.messages import AttemptFaulted, AttemptSucceeded, WorkerReady
from schemas.objects import decode_transcript
from tests.builders import WORKER
from tests.conftest import PARTITION_COUNT
from tests.inference_worker.assignments import assigned, store_tone, told_by
from tests.inference_worker.fake_engine import FakeEngine
from tests.inference_worker.riva_server import Riva, failing, silent
from tests.inference_worker.test_engine_process import fault_of, run, task, windows_in
from tests.inference_worker.test_process import at_work, ends
from tests.inference_worker.test_worker import Inbox, Outbox
from tests.inference_worker.waiting import until
from tests.media import write_tone

Code = grpc.StatusCode
SETTING = "STENOLOG_RIVA_METADATA: the server does not let us in"


@pytest.fixture
def riva() -> Iterator[Riva]:
    with Riva() as running:
        yield running


@pytest.fixture
def tone(tmp_path: Path) -> Path:
    return write_tone(tmp_path / "tone", seconds=60.0)


@asynccontextmanager
async def process(address: str, **settings: Any) -> AsyncIterator[EngineProcess]:
    settings = {"patience_seconds": 1.0, "deadline_seconds": 60.0} | settings
    engine = EngineProcess(EngineChoice(kind="riva", riva=RivaServer(address=address, **settings)))
    try:
        yield engine
    finally:
        await engine.stop()


async def test_a_task_gives_every_window(riva: Riva, tone: Path) -> None:
    async with process(riva.address) as engine:
        messages = await run(engine, task(tone))
    windows = windows_in(messages)
    assert messages[-1] == Finished(decoded_seconds=60.0)
    assert len(windows) == len(riva.calls) > 4
    words = [word for window in windows for segment in window.segments for word in segment.words]
    assert len(words) > 100
    assert [word.start_ms for word in words] == sorted(word.start_ms for word in words)
    assert engine.name.startswith("riva/any@")
    assert engine.abilities.only_english


async def test_a_task_that_is_broken_off_cancels_its_call_at_once_and_the_engine_stays(
    riva: Riva, tone: Path
) -> None:
    riva.script.append(silent())
    async with process(riva.address) as engine:
        async with aclosing(engine.run(task(tone))) as messages:
            await anext(messages)
            await until(lambda: len(riva.calls) == 1)
            assert riva.cancelled == 0
            pid = engine.pid
        await until(lambda: riva.cancelled == 1)
        assert engine.pid == pid
        assert windows_in(await run(engine, task(tone)))


async def test_an_outage_hands_the_job_back_and_the_engine_stays(riva: Riva, tone: Path) -> None:
    async with process(riva.address) as engine:
        await engine.make_ready()
        pid = engine.pid
        riva.script.extend([failing(Code.UNAVAILABLE)] * 20)
        assert await fault_of(engine, task(tone)) == (ENGINE_AWAY, False)
        riva.script.clear()
        assert windows_in(await run(engine, task(tone)))
        assert engine.pid == pid


def test_an_outage_is_no_failed_attempt() -> None:
    assert failures_after(ATTEMPTS_MAX - 1, ENGINE_AWAY) == ATTEMPTS_MAX - 1


async def test_a_refusal_is_permanent_and_its_reason_is_logged(
    riva: Riva, tone: Path, caplog: pytest.LogCaptureFixture
) -> None:
    riva.script.append(failing(Code.INVALID_ARGUMENT, "no such rate"))
    async with process(riva.address) as engine:
        assert await fault_of(engine, task(tone)) == (faults.ENGINE_REFUSED, True)
    assert "Riva refuses it: INVALID_ARGUMENT: no such rate" in caplog.text


async def test_what_was_not_asked_for_as_it_has_to_be_is_a_permanent_fault(tone: Path) -> None:
    with Riva(("m", {"language_code": "en-US,de-DE"})) as several:
        async with process(several.address) as engine:
            assert await fault_of(engine, task(tone)) == ("language_required", True)
            assert await fault_of(engine, task(tone, language="ja")) == ("language_unsupported", True)


async def test_a_server_that_locks_us_out_in_the_middle_is_a_wrong_setting(riva: Riva, tone: Path) -> None:
    async with process(riva.address) as engine, aclosing(engine.run(task(tone))) as messages:
        while not isinstance(await anext(messages), WindowDone):
            pass
        riva.script.extend([failing(Code.UNAUTHENTICATED)] * 10)
        with pytest.raises(InvalidSetting, match=SETTING):
            async for _ in messages:
                pass


async def test_a_server_that_is_away_at_the_start_is_said_to_be(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{nobody.getsockname()[1]}"
        async with process(address) as engine:
            with pytest.raises(
                EngineUnavailable, match=r"the engine did not start: UNAVAILABLE: .*refused"
            ):
                await engine.make_ready()
    assert f"waiting for Riva at {address}, for 0 s now" in caplog.text


async def test_only_the_process_that_asks_the_server_is_in_our_network(riva: Riva, tone: Path) -> None:
    """Not its decoders, nor what they are forked from, nor another kind of engine."""
    riva.script.append(silent())
    scripted = EngineProcess(EngineChoice(kind="scripted", speed=1.0))
    async with (
        process(riva.address) as engine,
        aclosing(engine.run(task(tone))) as messages,
        aclosing(scripted.run(task(tone))) as others,
    ):
        await anext(messages)
        await anext(others)
        await until(lambda: len(riva.calls) == 1)
        assert engine.pid is not None
        assert scripted.pid is not None
        children = psutil.Process(engine.pid).children(recursive=True)
        assert len(children) == 2
        assert _network(engine.pid) == _network(os.getpid())
        for elsewhere in [scripted.pid, *(each.pid for each in children)]:
            assert _network(elsewhere) != _network(os.getpid())


def _network(pid: int) -> str:
    return str(Path(f"/proc/{pid}/ns/net").readlink())


async def test_a_wrong_setting_found_at_work_ends_the_worker_which_hands_its_attempts_back(
    place: Workplace, store: FolderObjectStore, tmp_path: Path
) -> None:
    inbox, outbox = Inbox(), Outbox()
    worker = Worker(
        worker_id=WORKER,
        assignments=inbox,
        reports=outbox,
        engine=FakeEngine(fails_before=1, fault=InvalidSetting(SETTING)),
        slots=1,
        place=place,
        ready_interval_seconds=60.0,
    )
    inbox.put(assigned(await store_tone(store, tmp_path, seconds=60.0)))
    with pytest.raises(ExceptionGroup) as ended:
        async with asyncio.timeout(20):
            await worker.run()
    assert [str(each) for each in leaves(ended.value)] == [SETTING]
    await worker.leave()
    [back] = outbox.of(AttemptFaulted)
    assert (back.reason, back.permanent) == (WORKER_STOPPED, False)


@pytest.fixture
async def job(store: FolderObjectStore, tmp_path: Path) -> Job:
    return await store_tone(store, tmp_path, seconds=60.0)


async def test_a_workers_process_transcribes_with_riva_through_an_outage(
    kafka: str, riva: Riva, job: Job, store: FolderObjectStore, tmp_path: Path
) -> None:
    settings = Settings(
        kafka_bootstrap=kafka,
        partitions=PARTITION_COUNT,
        object_store=f"file://{tmp_path}/objects",
        engine="riva",
        riva_address=riva.address,
        window_seconds=10.0,
        ready_interval_seconds=0.5,
    )
    riva.script.extend([failing(Code.UNAVAILABLE), failing(Code.RESOURCE_EXHAUSTED)])
    asked = await told_by(store, job, Instructions(vocabulary=("Anna Nowak",)))
    async with at_work(settings, tmp_path) as (worker, dispatcher, worker_id):
        ready = await dispatcher.next(WorkerReady)
        assert (ready.languages, ready.translates, ready.takes_prompt) == (("en",), False, False)
        await dispatcher.send(worker_id, assigned(asked, worker_id=worker_id))
        succeeded = await dispatcher.next(AttemptSucceeded)
        worker.send_signal(signal.SIGINT)
        assert await ends(worker) == 0
    assert succeeded.result.engine.startswith("riva/")
    assert succeeded.result.language == "en-US"
    transcript = decode_transcript(await store.get(succeeded.result.transcript_key))
    assert transcript.word_count == succeeded.result.word_count > 100
    assert transcript.text.startswith("word-0 word-500 word-1000")
    assert [list(each.phrases) for each in riva.calls[0].config.speech_contexts] == [["Anna Nowak"]]

"""What the decoder loses inside a recording is told to the one who pays, and costs nothing."""

from pathlib import Path

import pytest

from domain.damages import warnings_of
from domain.instructions import Instructions
from inference_worker.child import transcribe
from inference_worker.child_messages import ChildMessage, Finished, Task
from inference_worker.engines.scripted import ScriptedEngine
from inference_worker.job import account_of
from infrastructure.media.probe import probe
from tests.infrastructure.media.odd_times import RAW_SPOILED, SPOILED, Make
from tests.infrastructure.media.recordings import MP3, cut_off, write_recording
from tests.infrastructure.media.test_odd_times import LIMITS


def finished(path: Path, duration_seconds: float) -> Finished:
    said: list[ChildMessage] = []
    task = Task(
        media=str(path),
        duration_seconds=duration_seconds,
        instructions=Instructions(),
        window_seconds=10.0,
    )
    transcribe(task, ScriptedEngine(speed=10_000.0), said.append, lambda: None)
    assert isinstance(said[-1], Finished), said[-1]
    return said[-1]


@pytest.mark.parametrize(
    "make", [pytest.param(make, id=name) for name, make in {**SPOILED, **RAW_SPOILED}.items()]
)
async def test_what_a_recording_lost_is_named_and_not_debited(make: Make, tmp_path: Path) -> None:
    """Row 15."""
    facts = await probe(make(tmp_path / "media"), LIMITS)
    account = account_of(finished(tmp_path / "media", facts.duration_seconds), facts.duration_seconds)
    warned = [each.to_seconds - each.from_seconds for each in warnings_of(account.damages)]
    assert 1.5 < sum(warned) < 5.0
    assert account.decoded_ms == pytest.approx(1000 * (facts.duration_seconds - sum(warned)), abs=100)


async def test_what_is_whole_is_debited_whole(tmp_path: Path) -> None:
    facts = await probe(write_recording(tmp_path / "media", MP3, seconds=12.0), LIMITS)
    account = account_of(finished(tmp_path / "media", facts.duration_seconds), facts.duration_seconds)
    assert account.damages == ()
    assert account.decoded_ms == pytest.approx(12_000, abs=100)


async def test_what_was_cut_off_after_the_probe_is_named_and_not_debited(tmp_path: Path) -> None:
    facts = await probe(write_recording(tmp_path / "media", MP3, seconds=12.0), LIMITS)
    cut = cut_off(tmp_path / "media", share=0.5)
    account = account_of(finished(cut, facts.duration_seconds), facts.duration_seconds)
    [damage] = account.damages
    assert damage.start_ms == account.decoded_ms == pytest.approx(6_000, abs=500)
    assert damage.end_ms == round(facts.duration_seconds * 1000)

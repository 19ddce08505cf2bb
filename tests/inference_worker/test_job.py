"""An attempt fetches, resumes, checks, stores and leaves nothing behind."""

from math import inf
from pathlib import Path

import pytest
from msgspec.structs import replace

from domain.instructions import Instructions
from domain.languages import Abilities
from domain.media_errors import NotMedia
from domain.ports import UNDETERMINED, ObjectStoreUnavailable
from domain.transcript import Damage, MediaWarning
from domain.transcription_events import Job
from inference_worker import faults
from inference_worker.checkpoints import fingerprint_of
from inference_worker.child_messages import decode_window
from inference_worker.faults import Fault
from inference_worker.job import Workplace, carry_out
from inference_worker.windows import WindowStart
from infrastructure.object_store.folder import FolderObjectStore
from infrastructure.object_store.patient import Patience
from schemas.messages import FinishedWindow
from schemas.objects import decode_transcript, instructions_key, media_key
from tests.builders import ANNA, FILE, TRANSCRIPTION, identity
from tests.inference_worker.assignments import assigned, store_media, store_tone, told_by
from tests.inference_worker.fake_engine import FakeEngine
from tests.infrastructure.object_store.away import AwayStore

SECONDS = 35.0


@pytest.fixture
async def job(store: FolderObjectStore, tmp_path: Path) -> Job:
    return await store_tone(store, tmp_path, seconds=SECONDS)


class Told:
    """Remembers how far an attempt said it was."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.windows: list[FinishedWindow] = []

    def advance(self, done_seconds: float) -> None:
        self.seconds.append(done_seconds)

    def hear(self, done_seconds: float, end_seconds: float) -> None:
        assert done_seconds <= end_seconds
        self.seconds.append(done_seconds)

    def finish(self, window: FinishedWindow) -> None:
        self.windows.append(window)


async def fault_of(job: Job, engine: FakeEngine, place: Workplace) -> tuple[str, bool]:
    with pytest.raises(Fault) as raised:
        await carry_out(assigned(job), engine, place, Told())
    return raised.value.reason, raised.value.permanent


async def stored_words(store: FolderObjectStore, key: str) -> list[str]:
    return [word.text for word in decode_transcript(await store.get(key)).words]


async def test_the_transcript_holds_the_words_of_every_window(place: Workplace, job: Job) -> None:
    result = await carry_out(assigned(job), FakeEngine(), place, Told())
    transcript = decode_transcript(await place.store.get(result.transcript_key))
    assert transcript.text == "window-0 window-1 window-2 window-3"
    assert (transcript.language, transcript.duration_ms) == ("en", 35_000)
    assert result.word_count == 4
    assert result.transcript_sha256 in result.transcript_key
    assert (result.engine, result.language) == ("fake", "en")
    assert result.processing_seconds > 0


async def test_a_scratch_folder_that_was_cleared_away_is_made_again(place: Workplace, job: Job) -> None:
    place.scratch.rmdir()
    assert (await carry_out(assigned(job), FakeEngine(), place, Told())).word_count == 4
    assert place.scratch.stat().st_mode & 0o777 == 0o700


async def test_the_same_words_are_the_same_object(place: Workplace, job: Job) -> None:
    first = await carry_out(assigned(job, 1), FakeEngine(), place, Told())
    second = await carry_out(assigned(job, 2), FakeEngine(), place, Told())
    assert first.transcript_key == second.transcript_key


async def test_progress_is_told_to_the_end(place: Workplace, job: Job) -> None:
    told = Told()
    await carry_out(assigned(job), FakeEngine(), place, told)
    assert told.seconds == [0.0, 10.0, 20.0, 30.0, 35.0]


async def test_the_next_attempt_does_only_what_is_left(place: Workplace, job: Job) -> None:
    engine = FakeEngine(fails_before=2)
    assert await fault_of(job, engine, place) == (faults.ENGINE_DIED, False)
    engine.fails_before = None
    told = Told()
    result = await carry_out(assigned(job, 2), engine, place, told)
    assert engine.windows == [0, 1, 2, 3]
    assert engine.tasks[1].begin == WindowStart(index=2, start_ms=20_000)
    assert told.seconds[:3] == [10.0, 20.0, 20.0]
    assert result.word_count == 4


async def test_every_finished_window_is_named_with_its_words_by_the_attempt_that_made_it_and_by_the_next(
    place: Workplace, job: Job
) -> None:
    engine, first, second = FakeEngine(fails_before=2), Told(), Told()
    with pytest.raises(Fault):
        await carry_out(assigned(job), engine, place, first)
    engine.fails_before = None
    await carry_out(assigned(job, 2), engine, place, second)
    assert [(each.index, each.start_ms, each.end_ms) for each in first.windows] == [
        (0, 0, 10_000),
        (1, 10_000, 20_000),
    ]
    assert second.windows[:2] == first.windows
    assert [each.index for each in second.windows] == [0, 1, 2, 3]
    for each in second.windows:
        window = decode_window(await place.store.get(each.key))
        assert [word.text for segment in window.segments for word in segment.words] == [
            f" window-{each.index}"
        ]


async def test_windows_of_another_engine_are_not_used(place: Workplace, job: Job) -> None:
    await fault_of(job, FakeEngine(fails_before=2), place)
    other = FakeEngine(name="another")
    await carry_out(assigned(job, 2), other, place, Told())
    assert other.windows == [0, 1, 2, 3]


async def test_windows_that_do_not_fit_each_other_are_not_used(place: Workplace, job: Job) -> None:
    """Two attempts at once, on machines that cut a little differently."""
    engine = FakeEngine(fails_before=3)
    await fault_of(job, engine, place)
    await place.checkpoints(assigned(job), engine.name).put(engine.window(1, 11_000, 20_000))
    engine.fails_before = None
    await carry_out(assigned(job, 2), engine, place, Told())
    assert engine.tasks[1].begin == WindowStart(index=1, start_ms=10_000)


async def test_a_stored_window_that_cannot_be_read_is_done_again(place: Workplace, job: Job) -> None:
    engine = FakeEngine(fails_before=2)
    await fault_of(job, engine, place)
    await _spoil_window(place, job, engine, 1)
    engine.fails_before = None
    await carry_out(assigned(job, 2), engine, place, Told())
    assert engine.tasks[1].begin.index == 1


async def _spoil_window(place: Workplace, job: Job, engine: FakeEngine, index: int) -> None:
    started = assigned(job)
    fingerprint = fingerprint_of(started, engine.name, place.window_seconds)
    key = f"windows/{started.user_id}/{started.transcription_id}/{fingerprint}/{index}.json"
    assert await place.store.exists(key)
    await place.store.put(key, b"{")


async def test_the_next_attempt_knows_what_was_spoken_before_it(place: Workplace, job: Job) -> None:
    engine = FakeEngine(language="fr", fails_before=1)
    await fault_of(job, engine, place)
    engine.fails_before = None
    result = await carry_out(assigned(job, 2), engine, place, Told())
    assert [task.instructions.language for task in engine.tasks] == [None, None]
    assert [task.before for task in engine.tasks] == [{}, {"fr": 10.0}]
    assert result.language == "fr"


async def test_a_recording_in_which_nobody_speaks_has_a_transcript(place: Workplace, job: Job) -> None:
    result = await carry_out(assigned(job), FakeEngine(language=UNDETERMINED), place, Told())
    assert result.language == UNDETERMINED


async def test_a_recording_that_ends_too_early_completes_with_what_there_is_and_says_what_is_missing(
    place: Workplace, job: Job
) -> None:
    result = await carry_out(assigned(job), FakeEngine(decoded_seconds=20.0), place, Told())
    assert (result.duration_seconds, result.warnings) == (20.0, (damaged(20.0, SECONDS),))
    transcript = decode_transcript(await place.store.get(result.transcript_key))
    assert transcript.warnings == result.warnings
    assert transcript.duration_ms == 35_000


async def test_what_could_not_be_decoded_in_the_middle_is_named_and_not_counted(
    place: Workplace, job: Job
) -> None:
    holes = (Damage(start_ms=5_000, end_ms=8_000), Damage(start_ms=7_000, end_ms=9_500))
    result = await carry_out(assigned(job), FakeEngine(damages=holes), place, Told())
    assert (result.duration_seconds, result.warnings) == (30.5, (damaged(5.0, 9.5),))


async def test_sound_between_two_damages_that_are_told_as_one_is_counted(
    place: Workplace, job: Job
) -> None:
    told = (Damage(start_ms=5_000, end_ms=9_000),)
    result = await carry_out(assigned(job), FakeEngine(damages=told, lost_seconds=3.0), place, Told())
    assert (result.duration_seconds, result.warnings) == (32.0, (damaged(5.0, 9.0),))


async def test_silence_in_place_of_a_missing_end_is_not_counted(place: Workplace, job: Job) -> None:
    hole = (Damage(start_ms=20_000, end_ms=35_000),)
    result = await carry_out(assigned(job), FakeEngine(damages=hole), place, Told())
    assert (result.duration_seconds, result.warnings) == (20.0, (damaged(20.0, SECONDS),))


async def test_a_recording_that_is_longer_than_announced_completes(place: Workplace, job: Job) -> None:
    result = await carry_out(assigned(job), FakeEngine(decoded_seconds=SECONDS + 2), place, Told())
    assert (result.duration_seconds, result.warnings) == (SECONDS + 2, ())


@pytest.mark.parametrize(
    ("decoded_seconds", "damages"),
    [(0.0, ()), (SECONDS, (Damage(start_ms=0, end_ms=35_000),))],
)
async def test_a_recording_of_which_nothing_decodes_fails_for_good(
    decoded_seconds: float, damages: tuple[Damage, ...], place: Workplace, job: Job
) -> None:
    engine = FakeEngine(decoded_seconds=decoded_seconds, damages=damages)
    assert await fault_of(job, engine, place) == (NotMedia.code, True)


def damaged(from_seconds: float, to_seconds: float) -> MediaWarning:
    return MediaWarning(from_seconds=from_seconds, to_seconds=to_seconds)


@pytest.mark.parametrize(("told", "assumed"), [(None, 1), ("en", 0)])
async def test_a_language_that_only_the_model_says_is_assumed(
    told: str | None, assumed: int, place: Workplace, job: Job
) -> None:
    engine = FakeEngine()
    engine.abilities = Abilities(languages=("en",))
    result = await carry_out(assigned(replace(job, language=told)), engine, place, Told())
    assert [each.code for each in result.warnings] == ["language_assumed"] * assumed


async def test_a_length_within_what_encoders_pad_is_fine(place: Workplace, job: Job) -> None:
    result = await carry_out(assigned(job), FakeEngine(decoded_seconds=SECONDS - 0.1), place, Told())
    assert await place.store.exists(result.transcript_key)
    assert result.warnings == ()


MISSING = Job(
    file_id=FILE,
    media_key=media_key(ANNA, FILE, "ab" * 32),
    media_sha256="ab" * 32,
    duration_seconds=SECONDS,
)


async def test_media_that_the_store_does_not_have_fail_for_good(place: Workplace) -> None:
    assert await fault_of(MISSING, FakeEngine(), place) == (faults.MEDIA_MISSING, True)


async def test_media_are_not_missing_while_the_store_is_away(
    place: Workplace, job: Job, store: FolderObjectStore
) -> None:
    away = AwayStore(store)
    away.failures = inf
    patience = Patience(seconds_max=0.05, pause_seconds=0.001, pause_seconds_max=0.002)
    lost = replace(place, store=away, patience=patience)
    for each in (MISSING, job):
        with pytest.raises(ObjectStoreUnavailable):
            await carry_out(assigned(each), FakeEngine(), lost, Told())


async def test_media_are_not_missing_while_the_folder_of_the_store_is_not_there(
    place: Workplace, job: Job, store: FolderObjectStore, tmp_path: Path
) -> None:
    lost = replace(
        place, store=FolderObjectStore(tmp_path / "not mounted"), patience=Patience(seconds_max=0.0)
    )
    with pytest.raises(ObjectStoreUnavailable):
        await carry_out(assigned(job), FakeEngine(), lost, Told())


async def test_media_with_another_hash_is_not_transcribed(place: Workplace, job: Job) -> None:
    await place.store.put(job.media_key, b"something else")
    engine = FakeEngine()
    assert await fault_of(job, engine, place) == (faults.MEDIA_CORRUPT, False)
    assert engine.tasks == []


async def test_no_media_stays_behind(place: Workplace, job: Job) -> None:
    await carry_out(assigned(job), FakeEngine(), place, Told())
    await fault_of(job, FakeEngine(name="another", fails_before=0), place)
    assert list(place.scratch.iterdir()) == []


async def test_windows_are_cleared_whatever_is_missing_among_them(place: Workplace, job: Job) -> None:
    engine = FakeEngine(fails_before=3)
    await fault_of(job, engine, place)
    checkpoints = place.checkpoints(assigned(job), engine.name)
    assert len([each async for each in checkpoints.finished()]) == 3
    await checkpoints.clear()
    await checkpoints.clear()
    assert [each async for each in checkpoints.finished()] == []


async def test_another_language_or_media_or_window_size_is_another_fingerprint(
    place: Workplace, tmp_path: Path
) -> None:
    one = await store_media(place.store, b"one", duration_seconds=1.0)
    two = await store_media(place.store, b"two", duration_seconds=1.0)
    german = Job(
        file_id=FILE,
        media_key=one.media_key,
        media_sha256=one.media_sha256,
        duration_seconds=1.0,
        language="de",
    )
    fingerprints = {
        fingerprint_of(assigned(one), "fake", 10.0),
        fingerprint_of(assigned(two), "fake", 10.0),
        fingerprint_of(assigned(german), "fake", 10.0),
        fingerprint_of(assigned(one), "fake", 20.0),
        fingerprint_of(assigned(one), "fake", None),
        fingerprint_of(assigned(one), "another", 10.0),
    }
    assert len(fingerprints) == 6
    assert fingerprint_of(assigned(one, 2), "fake", 10.0) in fingerprints


async def test_the_engine_is_told_what_lies_in_the_object_store(
    place: Workplace, store: FolderObjectStore, job: Job
) -> None:
    instructions = Instructions(language="pl", prompt="Minutes", vocabulary=("Nowak", "Szczecin"))
    engine = FakeEngine()
    await carry_out(assigned(await told_by(store, job, instructions)), engine, place, Told())
    assert [task.instructions for task in engine.tasks] == [instructions]


@pytest.mark.parametrize("content", [None, b"", b"[1]"])
async def test_without_what_it_is_to_be_told_an_attempt_fails_for_good(
    place: Workplace, store: FolderObjectStore, job: Job, content: bytes | None
) -> None:
    of_words = await told_by(store, job, Instructions(prompt="Minutes"))
    assert of_words.instructions_key is not None
    await store.delete(of_words.instructions_key)
    if content is not None:
        await store.put(of_words.instructions_key, content)
    engine = FakeEngine()
    assert await fault_of(of_words, engine, place) == (faults.INSTRUCTIONS_MISSING, True)
    assert engine.tasks == []


def test_windows_of_one_request_are_not_used_by_another_that_tells_the_engine_something_else(
    job: Job,
) -> None:
    keys = [instructions_key(ANNA, TRANSCRIPTION, identity(name)) for name in ("first", "second")]
    prints = {fingerprint_of(assigned(replace(job, instructions_key=key)), "fake", None) for key in keys}
    assert len(prints) == len(keys)
    assert fingerprint_of(assigned(job), "fake", None) not in prints

"""What an attempt has to tell between its assignment and its outcome."""

from domain.transcription_events import Job
from inference_worker.attempts import Attempt
from schemas.messages import WINDOWS_MAX, FinishedWindow, ProgressReported, encode_report
from tests.builders import FILE, TRANSCRIPTION, WORKER
from tests.inference_worker.assignments import assigned

JOB = Job(file_id=FILE, media_key="media/x", media_sha256="ab" * 32, duration_seconds=36_000.0)
KEY_LENGTH = 160
"""Of the key of a window, about."""


def window(index: int) -> FinishedWindow:
    return FinishedWindow(index=index, start_ms=index * 10, end_ms=index * 10 + 10, key="k" * KEY_LENGTH)


def test_a_window_is_news_until_it_is_told() -> None:
    attempt = Attempt(assigned(JOB))
    assert attempt.has_news(0.0)
    assert not attempt.has_news(0.1)
    attempt.finish(window(0))
    assert attempt.has_news(0.2)
    assert attempt.windows_to_tell() == attempt.windows_to_tell() == (window(0),)
    attempt.windows_told(1)
    assert attempt.windows_to_tell() == ()
    assert not attempt.has_news(0.3)


def test_where_the_engine_says_nothing_only_the_lease_is_renewed() -> None:
    now = 0.0
    attempt = Attempt(assigned(JOB), lambda: now)
    attempt.advance(60.0)
    reports = 0
    for tick in range(40):
        now = tick * 0.5
        reports += attempt.has_news(now)
    assert reports == 10


def test_while_a_window_is_heard_there_is_news_at_each_look_until_it_is_over() -> None:
    now = 0.0
    attempt = Attempt(assigned(JOB), lambda: now)
    attempt.hear(0.0, 60.0)
    for tick in range(20):
        now = tick * 0.5
        assert attempt.has_news(now)
    assert 0.0 < attempt.done_seconds < 60.0
    attempt.advance(60.0)
    assert attempt.has_news(now)
    assert not attempt.has_news(now + 1.0)


def test_an_estimate_is_never_past_the_end_of_the_recording() -> None:
    now = 0.0
    attempt = Attempt(assigned(JOB), lambda: now)
    attempt.hear(JOB.duration_seconds - 10.0, JOB.duration_seconds + 50.0)
    now = 10_000.0
    assert JOB.duration_seconds - 10.0 < attempt.done_seconds < JOB.duration_seconds


def test_an_attempt_that_found_ten_hours_finished_tells_them_in_small_reports() -> None:
    attempt = Attempt(assigned(JOB))
    for index in range(1_300):
        attempt.finish(window(index))
    told: list[int] = []
    while windows := attempt.windows_to_tell():
        report = ProgressReported(
            worker_id=WORKER,
            transcription_id=TRANSCRIPTION,
            attempt=2,
            done_seconds=36_000.0,
            total_seconds=36_000.0,
            windows=windows,
        )
        assert len(encode_report(report)) < 20_000
        assert len(windows) <= WINDOWS_MAX
        attempt.windows_told(len(windows))
        told += [each.index for each in windows]
    assert told == list(range(1_300))

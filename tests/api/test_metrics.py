"""`GET /metrics` tells Prometheus how the system stands, and nobody who uses it."""

import math
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

from prometheus_client.parser import text_string_to_metric_families

from api.log_counts import OTHER, REASONS_MAX, LogCounts
from infrastructure.object_store.folder import FolderObjectStore
from infrastructure.telemetry.page import PATH, declared, page
from infrastructure.telemetry.requests import METHODS
from projections.models import READ_MODELS
from tests.api.rig import Installation, Person, fail
from tests.projections.running import until

FAILED_ATTEMPTS = """
insert into events (partition, seq, stream_id, version, owner_id, type, schema_version, data, event_id, recorded_at,
    actor, correlation_id)
select 0, seq + number, 'transcription-' || $1::uuid, number, $1, 'TranscriptionAttemptFailed', 1,
    convert_to(json_build_object('reason', reason)::text, 'UTF8'), gen_random_uuid(), now(), 'test', $1
from log_heads, unnest($2::text[]) with ordinality made_up (reason, number) where partition = 0
"""

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


async def scraped(installation: Installation) -> str:
    answer = await installation.client().get("http://stenolog/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return answer.text


async def samples(installation: Installation) -> Samples:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(await scraped(installation))
        for sample in family.samples
    }


async def current_samples(installation: Installation) -> Samples:
    """A page is kept for a moment: waits for one that was read after everything that the log holds by now."""
    heads = await installation.parts.read_models.fetch("select partition, seq from log_heads where seq > 0")
    there: Samples = {}

    async def it_reaches_the_heads() -> bool:
        nonlocal there
        there = await samples(installation)
        return all(sample(there, "log_head", partition=str(each)) == seq for each, seq in heads)

    await until(it_reaches_the_heads)
    return there


def sample(of: Samples, name: str, **labels: str) -> float:
    return of.get((f"stenolog_{name}", frozenset(labels.items())), math.nan)


def count(of: Samples, name: str, **labels: str) -> float:
    """0 for what was not counted yet."""
    number = sample(of, f"{name}_total", **labels)
    return 0 if math.isnan(number) else number


async def test_requests_are_counted_by_route_and_timed(installation: Installation, anna: Person) -> None:
    route = {"method": "GET", "route": "/v1/files/{file_id}"}
    before = sample(await samples(installation), "http_requests_total", **route, status="200")
    file_id = await anna.has_file()
    for _ in range(3):
        assert (await anna.client.get(f"/files/{file_id}")).status_code == 200
    there = await samples(installation)
    assert sample(there, "http_requests_total", **route, status="200") == 3 + (
        0 if math.isnan(before) else before
    )
    assert sample(there, "http_request_seconds_count", **route) >= 3
    assert sample(there, "http_request_seconds_sum", **route) > 0


async def test_refusals_are_counted_too(installation: Installation) -> None:
    stranger = installation.client()
    assert (await stranger.get("/files")).status_code == 401
    there = await samples(installation)
    assert sample(there, "http_requests_total", method="GET", route="/v1/files", status="401") >= 1


async def test_what_clients_make_up_makes_no_series(installation: Installation) -> None:
    stranger = installation.client()
    for number in range(5):
        assert (await stranger.get(f"/nowhere/{number}")).status_code == 404
    await stranger.request(f"X{uuid4().hex}".upper(), "/files")
    there = await samples(installation)
    assert sample(there, "http_requests_total", method="GET", route="other", status="404") >= 5
    assert {dict(labels).get("method", "GET") for _, labels in there} <= METHODS | {"other"}
    assert not any("nowhere" in value for _, labels in there for _, value in labels)


async def test_nobody_and_nothing_is_named(installation: Installation, anna: Person) -> None:
    transcription_id = await anna.has_transcript()
    await anna.client.get(f"/transcriptions/{transcription_id}")
    text = await scraped(installation)
    for secret in (transcription_id, anna.user_id, anna.email, "talk.wav", "127.0.0.1"):
        assert secret not in text


async def test_the_system_is_measured(installation: Installation, anna: Person) -> None:
    await anna.has_requested()

    async def one_is_queued() -> bool:
        return sample(await samples(installation), "transcriptions_queued") >= 1

    # The queue is the dispatcher's to fold; here it is told.
    await installation.parts.read_models.execute(
        "insert into dispatch_queue (transcription_id, user_id, requested_at, status, due_at, failures, attempt) "
        "values ($1, $1, now(), 'queued', now(), 0, 0)",
        uuid4(),
    )
    await until(one_is_queued)
    there = await samples(installation)
    assert sample(there, "database_answers") == 1
    assert sample(there, "processes", role="relay") == 0
    assert sample(there, "workers") == 0
    for name in READ_MODELS:
        for partition in map(str, range(4)):
            assert sample(there, "projection_lag_events", projection=name, partition=partition) >= 0
            assert sample(there, "projection_lag_seconds", projection=name, partition=partition) >= 0
    assert any(name == "stenolog_log_head" and value > 0 for (name, _), value in there.items())
    assert sample(there, "transcriptions_oldest_queued_seconds") > 0
    assert sample(there, "free_bytes", disk="uploads") > 0
    assert sample(there, "free_bytes", disk="objects") > 0


async def test_what_becomes_of_transcriptions_is_counted_in_the_log(
    installation: Installation, anna: Person
) -> None:
    before = await current_samples(installation)
    await anna.has_transcript()
    failed_id = await anna.has_requested("noise.wav")
    await fail(installation, UUID(failed_id), UUID(anna.user_id))
    cancelled_id = await anna.has_requested("boring.wav")
    assert (await anna.client.post(f"/transcriptions/{cancelled_id}/cancel")).status_code == 200
    grown = {
        "transcriptions_requested": 3,
        "attempts_started": 2,
        "transcriptions_completed": 1,
        "transcriptions_cancelled": 1,
    }

    async def all_are_counted() -> bool:
        there = await samples(installation)
        reason = {"reason": "unreadable"}
        return all(
            count(there, name) == count(before, name) + more for name, more in grown.items()
        ) and all(
            count(there, name, **reason) == count(before, name, **reason) + 1
            for name in ("transcriptions_failed", "attempts_failed")
        )

    await until(all_are_counted)


async def test_reasons_that_a_worker_makes_up_make_few_series(installation: Installation) -> None:
    reasons = ["engine_died", "Robert'); drop table", *(f"made_up_{'x' * each}" for each in range(60))]
    async with installation.parts.read_models.acquire() as connection:
        counts = LogCounts()
        await counts.look(connection)
        aside = connection.transaction()  # Nobody else is to see these events.
        await aside.start()
        try:
            await connection.execute(FAILED_ATTEMPTS, uuid4(), [*reasons, *reasons])
            await counts.look(connection)
            await counts.look(connection)
        finally:
            await aside.rollback()
    attempts = next(each for each in counts.families() if each.name == "stenolog_attempts_failed")
    counted = {each.labels["reason"]: each.value for each in attempts.samples}
    assert counted[OTHER] >= 2
    assert len(counted) <= REASONS_MAX + 1
    assert sum(counted.values()) == 2 * len(reasons)


async def test_logins_that_were_refused_are_counted(installation: Installation) -> None:
    before = await samples(installation)
    nobody = {"email": f"{uuid4().hex}@example.com", "password": "not the password"}
    assert (await installation.client().post("/auth/login", json=nobody)).status_code == 401
    there = await samples(installation)
    code = {"code": "invalid_credentials"}
    assert count(there, "problems", **code) == count(before, "problems", **code) + 1


async def test_an_error_that_nobody_expected_is_counted_by_its_class(
    installation: Installation, internal_errors: list[str]
) -> None:
    class BrokenStore(FolderObjectStore):
        async def put_file(self, key: str, path: Path) -> None:
            raise ZeroDivisionError(f"{key} {path}")

    before = await samples(installation)
    broken = replace(installation.parts, objects=BrokenStore(installation.objects))
    there_again = replace(installation, parts=broken)
    installation.app.state.parts = broken
    try:
        person = await Person.arrives(there_again)
        assert (await person.uploads()).status_code == 500
    finally:
        installation.app.state.parts = installation.parts
    assert len(internal_errors) == 1
    there = await samples(installation)
    assert count(there, "internal_errors", error="ZeroDivisionError") == 1 + count(
        before, "internal_errors", error="ZeroDivisionError"
    )
    route = {"method": "POST", "route": "/v1/files/upload", "status": "500"}
    assert count(there, "http_requests", **route) == 1 + count(before, "http_requests", **route)


async def test_how_far_kafka_is_behind_is_measured(installation: Installation) -> None:
    pool = installation.parts.read_models

    async def lag_is(events: int) -> bool:
        return sample(await samples(installation), "relay_lag_events", partition="1") == events

    await Person.arrives(installation)
    head = await pool.fetchval("select seq from log_heads where partition = 1")
    await pool.execute("delete from relay_positions")
    await until(lambda: lag_is(head))
    await pool.execute("insert into relay_positions values (1, $1, now())", head)
    await until(lambda: lag_is(0))
    there = await samples(installation)
    assert sample(there, "relay_lag_seconds", partition="1") == 0


def test_the_committed_page_is_what_the_declarations_say() -> None:
    assert PATH.read_text() == page(), "run `python -m infrastructure.telemetry`"


def test_every_metric_is_declared_once_and_says_what_it_is() -> None:
    names = [metric.name for metric in declared()]
    assert len(names) == len(set(names)) > 20
    assert all(metric.meaning.endswith(".") for metric in declared())
    assert not any("id" in metric.labels or "user" in metric.labels for metric in declared())


async def test_what_is_answered_was_declared(installation: Installation) -> None:
    known = {metric.name for metric in declared()}
    families = text_string_to_metric_families(await scraped(installation))
    ours = {family.name.removesuffix("_total") for family in families if "stenolog_" in family.name}
    assert ours <= known
    assert len(ours) > 20

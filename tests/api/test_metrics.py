"""`GET /metrics` tells Prometheus how the system stands, and nobody who uses it."""

import math
from uuid import uuid4

from prometheus_client.parser import text_string_to_metric_families

from projections.models import READ_MODELS
from tests.api.rig import Installation, Person
from tests.projections.running import until

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


def sample(of: Samples, name: str, **labels: str) -> float:
    return of.get((f"stenolog_{name}", frozenset(labels.items())), math.nan)


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
    assert {dict(labels).get("method", "GET") for _, labels in there} <= {"GET", "POST", "PUT", "other"}
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

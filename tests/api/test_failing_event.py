"""What stands still, an event that nobody can fold or a partition that nobody may relay, is in the health of the system and in the metrics, with the reason."""

from api.system_health import SystemHealth
from projections.models import READ_MODELS
from relay.refusals import PostgresRefusals
from schemas.bodies import Check
from tests.api.rig import Installation, Person
from tests.api.test_metrics import sample, samples
from tests.projections.running import until
from tests.projections.unreadable import ERROR, append_unreadable


async def test_an_event_that_stops_a_partition_is_in_the_health_and_in_the_metrics(
    installation: Installation,
) -> None:
    person = await Person.arrives(installation)
    pool = installation.parts.read_models
    partition = await pool.fetchval(
        "select partition from events where owner_id::text = $1", person.user_id
    )
    address = await append_unreadable(pool, partition)
    failing = {
        "partition": str(partition),
        "address": str(address),
        "type": "UserRegistered",
        "error": ERROR,
    }

    async def is_measured() -> bool:
        there = await samples(installation)
        return all(
            sample(there, "projection_failing_tries", projection=name, **failing) >= 1
            for name in READ_MODELS
        )

    await until(is_measured)
    there = await samples(installation)
    lag = {"projection": "users", "partition": str(partition)}
    assert sample(there, "projection_lag_events", **lag) == 1
    assert sample(there, "projection_lag_seconds", **lag) > 0

    readiness = await SystemHealth(pool, installation.parts.objects, {}).readiness()
    assert not readiness.ready
    detail = readiness.parts["read_models"].detail
    assert (
        f"cannot fold event {address} (UserRegistered): {ERROR}; 1 events behind, the oldest for " in detail
    )
    assert all(name in detail for name in READ_MODELS)
    # Every other partition is served as ever.
    assert (await installation.client().get("/health/ready")).status_code == 200


async def test_a_partition_that_no_relay_may_carry_on_with_is_in_the_health_and_in_the_metrics(
    installation: Installation,
) -> None:
    pool = installation.parts.read_models
    refused = {"partition": "3", "reason": "partition 3: Kafka has events up to 9 and the log ends at 5"}
    await PostgresRefusals(pool).tell({3: refused["reason"]}, [])

    async def is_measured() -> bool:
        return sample(await samples(installation), "relay_refusing_seconds", **refused) >= 0

    await until(is_measured)
    readiness = await SystemHealth(pool, installation.parts.objects, {}).readiness()
    assert readiness.parts["relay"] == Check(ready=False, required=False, detail=refused["reason"])

    await PostgresRefusals(pool).tell({}, [3])
    readiness = await SystemHealth(pool, installation.parts.objects, {}).readiness()
    assert readiness.parts["relay"].detail == "no process at work"

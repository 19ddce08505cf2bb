"""An event that nobody can fold is in the readiness and in the metrics, with its address and the error."""

from api.health import Health
from projections.models import READ_MODELS
from tests.api.rig import Installation, Person
from tests.api.test_metrics import sample, samples
from tests.projections.running import until
from tests.projections.unreadable import ERROR, append_unreadable


async def test_an_event_that_stops_a_partition_is_in_the_readiness_and_in_the_metrics(
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

    readiness = await Health(pool, installation.parts.objects).readiness()
    assert not readiness.ready
    detail = readiness.parts["read_models"].detail
    assert (
        f"cannot fold event {address} (UserRegistered): {ERROR}; 1 events behind, the oldest for " in detail
    )
    assert all(name in detail for name in READ_MODELS)

-- name: streams
select
    partition, seq, stream_id, version, owner_id, type, schema_version, data, event_id, recorded_at,
    actor, correlation_id, causation_id, request_id, traceparent
from events
where stream_id = any ($1::text[])
order by recorded_at, partition, seq;

-- name: related
-- What the same requests did to other streams; they have the same owner, so they lie in the same partition.
select
    partition, seq, stream_id, version, owner_id, type, schema_version, data, event_id, recorded_at,
    actor, correlation_id, causation_id, request_id, traceparent
from events
where partition = $1 and seq between $2 and $3 and correlation_id = any ($4::uuid[])
order by seq;

-- name: newest
select newest.*
from log_heads as head
cross join lateral (
    select
        partition, seq, stream_id, version, owner_id, type, schema_version, data, event_id, recorded_at,
        actor, correlation_id, causation_id, request_id, traceparent
    from events
    where events.partition = head.partition
    order by seq desc
    limit $1
) as newest
order by recorded_at desc, partition desc, seq desc
limit $1;

-- name: heads
select partition, seq from log_heads;

-- name: detached
select partition from detached_partitions;

-- name: following
select
    partition, seq, stream_id, version, owner_id, type, schema_version, data, event_id, recorded_at,
    actor, correlation_id, causation_id, request_id, traceparent
from events
where partition = $1 and seq > $2
order by seq
limit $3;

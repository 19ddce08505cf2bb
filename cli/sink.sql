-- name: following
select
    partition, seq, stream_id, version, owner_id, type, schema_version, data, event_id, recorded_at,
    actor, correlation_id, causation_id, request_id, traceparent
from events
where partition = $1 and seq > $2
order by seq
limit $3;

-- name: heads
select partition, seq from log_heads order by partition;

-- name: detached
select partition from detached_partitions;

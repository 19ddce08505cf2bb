-- name: streams
-- Which of these streams there are, and where, and how many events each has.
select asked.stream_id, found.partition, found.owner_id, found.version
from unnest($1::text[]) with ordinality as asked (stream_id, place)
cross join lateral (
    select partition, owner_id, version from events where events.stream_id = asked.stream_id order by version desc limit 1
) as found
order by asked.place;

-- name: of_stream
select
    partition, seq, stream_id, version, owner_id, type, schema_version, data, event_id, recorded_at,
    actor, correlation_id, causation_id, request_id, traceparent
from events
where partition = $1 and stream_id = $2 and version > $3
order by version
limit $4;

-- name: of_owner
select
    partition, seq, stream_id, version, owner_id, type, schema_version, data, event_id, recorded_at,
    actor, correlation_id, causation_id, request_id, traceparent
from events
where partition = $1 and seq > $3 and seq <= $4 and owner_id = $2
order by seq;

-- name: of_correlations
select
    partition, seq, stream_id, version, owner_id, type, schema_version, data, event_id, recorded_at,
    actor, correlation_id, causation_id, request_id, traceparent
from events
where partition = $1 and seq > $3 and seq <= $4 and correlation_id = any ($2::uuid[])
order by seq;

-- name: of_stream_and_correlation
select
    partition, seq, stream_id, version, owner_id, type, schema_version, data, event_id, recorded_at,
    actor, correlation_id, causation_id, request_id, traceparent
from events
where partition = $1 and stream_id = $2 and correlation_id = $3
order by seq
limit $4;

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
where partition = $1 and seq > $2 and seq <= $4
order by seq
limit $3;

-- name: recorded_at
select recorded_at from events where partition = $1 and seq = $2;

-- name: tell_access
select audit_access($1, $2);

-- name: installation
select installation_id from evidence_log;

-- name: partition_count
select partition_count from log_settings;

-- name: count_snapshots
select count(*) from snapshots;

-- name: snapshots
select stream_id, version, event_id, rules, state, digest from snapshots where stream_id > $1 order by stream_id limit 100;

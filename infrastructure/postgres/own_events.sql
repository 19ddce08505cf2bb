-- name: seqs
-- Of all streams of one owner, each found by its first event.
select e.partition, e.seq
from events first
join events e on e.stream_id = first.stream_id and e.partition = first.partition
where first.owner_id = $1 and first.version = 1
order by e.seq
limit $2;

-- name: read
-- The columns in the order of LogRecord's fields.
select
    partition, seq, type, schema_version, data, version, stream_id, owner_id, event_id, recorded_at,
    actor, correlation_id, causation_id, request_id, traceparent
from events where partition = $1 and seq = any ($2::bigint[])
order by seq;

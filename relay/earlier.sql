-- name: earlier
-- What came before these versions of these streams.
select
    events.partition, seq, events.stream_id, version, owner_id, type, schema_version, data, event_id, recorded_at,
    actor, correlation_id, causation_id, request_id, traceparent
from events
join unnest($2::text[], $3::integer[]) as asked (stream_id, before)
    on events.stream_id = asked.stream_id and events.version < asked.before
where events.partition = $1
order by seq;

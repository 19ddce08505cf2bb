-- name: append
select command, last_seq, conflicting_stream
from append_events_v2(
    $1, $2::text::integer[], $3::text::integer[], $4, $5::text::integer[], $6::text::integer[], $7::text::uuid[], $8,
    $9::text::integer[], $10, $11::text::uuid[], $12, $13::text::uuid[], $14::text::uuid[], $15, $16
);

-- name: announce
-- Unlike what it tells of, which is committed, this need not be flushed to the disk.
select set_config('synchronous_commit', 'off', true), pg_notify($1, $2);

-- name: announce_within
select pg_notify($1, $2);

-- name: select_free_partitions
select partition from log_partitions where partition = any ($1) for update skip locked;

-- name: read_streams
select stream_id, after, version, event_id, type, schema_version, data from read_streams_v2($1, $2, $3, $4, $5);

-- name: find_streams
-- The partition of each, null where there is none with such a stream: all of them are looked through.
select asked.stream_id, (select partition from events where events.stream_id = asked.stream_id limit 1) as partition
from unnest($1::text[]) as asked (stream_id);

-- name: detached_partitions
select partition from detached_partitions;

-- name: read
-- The columns in the order of LogRecord's fields. The first two records come whatever their size, so that a reader
-- always gets on, also one that asks again for the last that it has seen. Not sorted once more: the sum has sorted them.
--
-- Of one partition: what follows the seq that stands at {place} in $1. Several are put together by `union all`. By way of
-- `events` the tables of all partitions would be locked and looked at. In a select of its own an argument does not count
-- when it is planned: so that happens once, and not each time for the seqs that are asked for.
select
    partition, seq, type, schema_version, data, version, stream_id, owner_id, event_id, recorded_at,
    actor, correlation_id, causation_id, request_id, traceparent
from (
    select *, sum(octet_length(data)) over (order by seq) as size_bytes
    from (
        select * from events_{partition}
        where partition = {partition} and seq > (select ($1::bigint[])[{place}])
        order by seq limit (select $2::bigint)
    ) as following
) as measured
where (size_bytes <= $3::bigint or seq <= ($1::bigint[])[{place}] + 2) and attached_when_planned({partition})

-- name: head
select coalesce((select seq from events_{partition} where partition = {partition} order by seq desc limit 1), 0)
where attached_when_planned({partition});

-- name: write_down_partition_count
insert into log_settings (partition_count) values ($1) on conflict do nothing;

-- name: select_partition_count
select partition_count from log_settings;

-- name: count_partitions
select count(*) from log_partitions;

-- name: create_partitions
select create_partitions($1);

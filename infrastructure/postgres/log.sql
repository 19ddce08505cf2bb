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
select stream_id, after, version, event_id, type, schema_version, data from read_streams_v1($1, $2, $3, $4);

-- name: read
-- The columns in the order of LogRecord's fields. The first two records come whatever their size, so that a reader
-- always gets on, also one that asks again for the last that it has seen.
select
    partition, seq, type, schema_version, data, stream_id, version, owner_id, event_id, recorded_at,
    actor, correlation_id, causation_id, request_id, traceparent
from (
    select *, sum(octet_length(data)) over (order by seq) as size_bytes
    from (
        select * from events where partition = $1 and seq > $2 order by seq limit $3
    ) as following
) as measured
where size_bytes <= $4 or seq <= $2 + 2
order by seq;

-- name: read_each
-- As `read`, for several partitions: $1 and $2 say after which seq of each. Not sorted once more, since the relay looks
-- at each seq anyway.
select
    partition, seq, type, schema_version, data, stream_id, version, owner_id, event_id, recorded_at,
    actor, correlation_id, causation_id, request_id, traceparent
from unnest($1::integer[], $2::bigint[]) as place (of_partition, after_seq)
cross join lateral (
    select *, sum(octet_length(data)) over (order by seq) as size_bytes
    from (
        select * from events where partition = of_partition and seq > after_seq order by seq limit $3
    ) as following
) as measured
where size_bytes <= $4 or seq <= after_seq + 2;

-- name: head
select seq from log_heads where partition = $1;

-- name: write_down_partition_count
insert into log_settings (partition_count) values ($1) on conflict do nothing;

-- name: select_partition_count
select partition_count from log_settings;

-- name: create_partitions
insert into log_partitions (partition) select generate_series(0, $1::integer - 1) on conflict do nothing;

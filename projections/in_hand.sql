-- name: load
-- One column for each read model: its rows as one JSON array, null where none is there.
select {loads};

-- name: loaded
(select json_agg(loaded) from ({load}) loaded)

-- name: write
-- All or nothing: where one checkpoint is not as it was left, or is not of the version we know, nothing is written.
-- Checkpoints come first, as when a batch is applied step by step: who holds them is waited for without holding the
-- tables, and two projectors take their rows in the same order.
-- Those who wait on channel $9 for the addresses $10 are woken by the commit, and only by it.
-- Nor does this commit wait for the disk (see `advance` in checkpoints.sql).
with held as materialized (
    select c.projection, c.partition, m.seq, m.next_offset, m.stamp
    from unnest($1::text[], $2::integer[]) known (projection, version)
    cross join unnest($3::integer[], $4::bigint[], $5::uuid[], $6::bigint[], $7::bigint[], $8::uuid[])
        m (partition, previous_seq, previous_stamp, seq, next_offset, stamp)
    join projection_checkpoints c on c.projection = known.projection and c.partition = m.partition
    where c.version = known.version and c.seq = m.previous_seq and c.stamp = m.previous_stamp
    order by c.partition, c.projection
    for update of c
), proven as materialized (
    select from held having count(*) = cardinality($1) * cardinality($3)
), moved as (
    update projection_checkpoints c set seq = held.seq, next_offset = held.next_offset, stamp = held.stamp
    from held, proven
    where c.projection = held.projection and c.partition = held.partition
    returning true
),
{stores}
select exists (select from moved), set_config('synchronous_commit', 'off', true),
    (select count(pg_notify($9::text, address)) from unnest($10::text[]) address, proven);

-- name: proven_rows
(select {argument}::json from proven)

-- name: stored
stored_{name} as ({store})

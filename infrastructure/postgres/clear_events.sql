-- name: begin
insert into clear_events (partition) select partition from log_partitions on conflict do nothing;

-- name: begin_again
-- Evidence that showed events in the clear was given up.
update clear_events set looked_through = 0, kept_through = 0, kept = 0, unreadable = '{}'
where partition = $1 and kept_through > $2;

-- name: partitions
-- Those that are attached, in order.
select partition, looked_through, seq as head
from clear_events join log_heads using (partition) order by partition;

-- name: following
-- Of the stretch after $1 up to $2, the events of the types $3 in the versions $4.
select seq, type, schema_version, data, version
from events_{partition}
where partition = {partition} and seq > $1 and seq <= $2
    and (type, schema_version) in (select * from unnest($3::text[], $4::integer[]))
order by seq;

-- name: allow_change
-- Only the owner of the table may do that, within the transaction. Who appends to the partition waits for its end.
alter table events_{partition} disable trigger events_are_append_only;

-- name: rewrite
-- What another process has rewritten meanwhile is left alone.
with changed as (
    update events_{partition} as stored set schema_version = new.schema_version, data = new.data
    from unnest($1::bigint[], $2::integer[], $3::integer[], $4::bytea[]) as new (seq, before, schema_version, data)
    where stored.partition = {partition} and stored.seq = new.seq and stored.schema_version = new.before
    returning 1
)
select count(*) from changed;

-- name: refuse_change
alter table events_{partition} enable trigger events_are_append_only;

-- name: note
-- Unless another process has come that far.
update clear_events set
    looked_through = $3,
    kept_through = case when $5::bigint > 0 then $4 else kept_through end,
    kept = kept + $5::bigint,
    unreadable = unreadable || $6::bigint[]
where partition = $1 and looked_through = $2;

-- name: forget_samples
-- Statistics are samples of what was in a column.
analyze events (data);

-- name: outcome
select
    coalesce(sum(kept), 0)::bigint as kept,
    array(
        select partition || ':' || seq from clear_events cross join unnest(unreadable) as seq order by partition, seq
    ) as unreadable
from clear_events;

-- name: kept
select kept_through, unreadable from clear_events where partition = $1;

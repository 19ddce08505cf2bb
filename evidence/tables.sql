-- name: installation
select installation_id from evidence_log;

-- name: latest
select size, root, note, sealed_at from evidence_checkpoints where partition = $1 order by size desc limit 1;

-- name: record
-- Nothing where another sealer was faster, or the checkpoint that this one follows is not the latest.
insert into evidence_checkpoints (partition, previous_size, size, root, note, sealed_at)
select $1::integer, $2::bigint, $3::bigint, $4::bytea, $5::text, clock_timestamp()
where $2 = coalesce((select max(size) from evidence_checkpoints where partition = $1), 0)
    and ($2 = 0 or exists (select from evidence_checkpoints where partition = $1 and size = $2 and root = $6::bytea))
on conflict do nothing
returning size;

-- name: untold
select size, root, note, sealed_at from evidence_checkpoints where partition = $1 and told_at is null order by size;

-- name: told
update evidence_checkpoints set told_at = clock_timestamp() where partition = $1 and size = $2;

-- name: superseded
-- Those whose partial tiles of leaves are full now.
select size from evidence_checkpoints
where partition = $1 and size <= $2 and told_at is not null
    and size < (select max(size) from evidence_checkpoints where partition = $1)
order by size;

-- name: forget
delete from evidence_checkpoints where partition = $1 and size = any ($2::bigint[]);

-- name: following
-- The columns in the order of their names, which is that of an entry; ids as text, which takes half the time to encode.
select
    actor, causation_id::text, correlation_id::text, data, event_id::text, owner_id::text, partition, recorded_at,
    request_id, schema_version, seq, stream_id, traceparent, type, version
from events where partition = $1 and seq > $2 and require_attached(array[$1::integer]) order by seq limit $3;

-- name: place_of
select seq from events where partition = $1 and event_id = $2 order by seq limit 1;

-- name: astray
-- What no reader of ours comes upon; $1 is the number of partitions.
select partition, seq from events where partition < 0 or partition >= $1
union all
select partition, seq from events where partition = any (array(select generate_series(0, $1 - 1))) and seq < 1
limit 1;

-- name: partitions
select partition_count from log_settings;

-- name: head
select max(seq) from events where partition = $1;

-- name: public_keys
select distinct verifier_key from evidence_keys;

-- name: keys
select verifier_key from evidence_keys where partition = $1 order by since desc, verifier_key;

-- name: add_keys
insert into evidence_keys (partition, verifier_key)
select * from unnest($1::integer[], $2::text[]) on conflict do nothing;

-- name: refuse
insert into evidence_refusals (partition, reason) values ($1, $2)
on conflict (partition) do update set reason = excluded.reason;

-- name: settle
delete from evidence_refusals where partition = $1;

-- name: create
create table if not exists projection_checkpoints (
    projection  text    not null,
    partition   integer not null,
    seq         bigint  not null,
    next_offset bigint,
    primary key (projection, partition)
) with (fillfactor = 50);
-- A new projection among others that have come far: it is folded beside them until it has caught up.
alter table projection_checkpoints add column if not exists catching_up boolean not null default false;
-- Of the table that is folded into: only projectors that know this version move the checkpoint.
alter table projection_checkpoints add column if not exists version integer not null default 1;
-- Renewed by whoever writes the row: with seq it proves that nobody else did, which seq alone does not after a failover.
alter table projection_checkpoints add column if not exists stamp uuid;
create table if not exists projection_failures (
    projection text        not null,
    partition  integer     not null,
    seq        bigint      not null,
    type       text        not null,
    error      text        not null,
    since      timestamptz not null,
    tries      integer     not null,
    primary key (projection, partition)
);

-- name: begin
insert into projection_checkpoints (projection, version, partition, seq, catching_up)
select projection, version, partition, 0, exists (
    select from projection_checkpoints others
    where others.partition = new.partition and others.projection = any($1::text[]) and others.seq > $4
)
from unnest($1::text[], $2::integer[]) known (projection, version) cross join unnest($3::integer[]) new (partition)
on conflict do nothing;

-- name: read
select projection, partition, seq, next_offset, catching_up, stamp from projection_checkpoints
join unnest($1::text[], $2::integer[]) known (projection, version) using (projection, version)
where partition = any($3::integer[]);

-- name: outdated
select distinct projection from projection_checkpoints there
join unnest($1::text[], $2::integer[]) known (projection, version) using (projection)
where there.version < known.version order by projection;

-- name: caught_up
update projection_checkpoints set catching_up = false, next_offset = $4, stamp = gen_random_uuid()
where projection = $1 and version = $5 and partition = $2 and seq = $3
returning true;

-- name: reached
-- One that is catching up holds nobody back, readers that wait for their own writes included.
select partition, min(seq) as seq from projection_checkpoints
where projection = any($1::text[]) and not catching_up group by partition;

-- name: advance
-- Answers how many moved: a row somebody else has moved stays where it is.
-- Those who wait on channel $6 for the addresses $7 are woken by the commit, and only by it.
-- The commit need not wait for the disk: a crash of the server takes back rows and checkpoint together, and whoever
-- holds the partition looks now and then whether the checkpoint is where it left it, and folds again.
with moved as (
    update projection_checkpoints c set seq = m.seq, next_offset = m.next_offset, stamp = m.stamp
    from unnest($1::text[], $2::integer[], $3::bigint[], $4::bigint[], $5::bigint[], $8::integer[], $9::uuid[])
        m (projection, partition, previous_seq, seq, next_offset, version, stamp)
    where c.projection = m.projection and c.version = m.version and c.partition = m.partition
        and c.seq = m.previous_seq
    returning 1
)
select count(*), set_config('synchronous_commit', 'off', true),
    (select count(pg_notify($6, address)) from unnest($7::text[]) address)
from moved;

-- name: failed_partitions
select distinct partition from projection_failures
where projection = any($1::text[]) and partition = any($2::integer[]);

-- name: record_failure
insert into projection_failures (projection, partition, seq, type, error, since, tries)
values ($1, $2, $3, $4, $5, now(), 1)
on conflict (projection, partition) do update set
    since = case when projection_failures.seq = excluded.seq then projection_failures.since else now() end,
    tries = case when projection_failures.seq = excluded.seq then projection_failures.tries + 1 else 1 end,
    seq = excluded.seq,
    type = excluded.type,
    error = excluded.error
returning tries;

-- name: clear_failures
delete from projection_failures where projection = any($1::text[]) and partition = any($2::integer[]);

-- name: failures
select projection, partition, seq, type, error, since, tries from projection_failures
order by partition, projection;

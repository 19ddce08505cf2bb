-- name: create
create table if not exists dispatch_workers (
    worker_id uuid        primary key,
    engine    text        not null,
    slots     integer     not null,
    seen_at   timestamptz not null
) with (fillfactor = 50);
-- What its model can do: subtags with spaces between them, none where it cannot tell. For those who take requests.
alter table dispatch_workers
    add column if not exists languages    text    not null default '',
    add column if not exists translates   boolean not null default true,
    add column if not exists detects      boolean not null default true,
    add column if not exists takes_prompt boolean not null default true;
-- How many jobs it takes ahead of a free slot, and how many it had in hand when it said so.
alter table dispatch_workers
    add column if not exists ahead   integer not null default 0,
    add column if not exists in_hand integer not null default 0;
-- Whether its engine finds typed words in the sound, and the transcription for which it does.
alter table dispatch_workers
    add column if not exists aligns   boolean not null default false,
    add column if not exists aligning uuid;
create table if not exists dispatch_leases (
    transcription_id uuid        primary key,
    attempt          integer     not null,
    worker_id        uuid        not null,
    user_id          uuid        not null,
    requested_at     timestamptz not null,
    expires_at       timestamptz not null
) with (fillfactor = 50);
-- Whether the attempt has no slot yet; null until its worker has said that it has it in hand.
alter table dispatch_leases add column if not exists waits boolean;
create index if not exists dispatch_leases_worker_id on dispatch_leases (worker_id);
create index if not exists dispatch_leases_user_id on dispatch_leases (user_id);
create table if not exists report_offsets (
    partition   integer primary key,
    next_offset bigint  not null
) with (fillfactor = 50);

-- name: free_workers
-- Seen later than now is who was last seen before the clock was set back. What a worker said before it had its latest job in hand says nothing of how soon that one will be done.
with room as (
    select w.worker_id, w.slots - count(l.worker_id) as slots,
        case when count(l.waits) = count(l.worker_id) and count(l.worker_id) = w.in_hand then w.ahead else 0 end as ahead
    from dispatch_workers w left join dispatch_leases l using (worker_id)
    where w.seen_at > now() - make_interval(secs => $1) and w.seen_at <= now() + interval '1 second'
    group by w.worker_id
)
select worker_id, greatest(0, slots) as free_slots, greatest(0, least(ahead, slots + ahead)) as places_ahead
from room
where slots + ahead > 0;

-- name: waiting_ahead
select l.transcription_id, l.attempt
from dispatch_leases l
join dispatch_workers w using (worker_id)
where l.waits and (select count(*) from dispatch_leases o where o.worker_id = l.worker_id) > w.slots
order by l.requested_at
limit $1;

-- name: by_index
-- For one transaction. What PostgreSQL knows of a queue that has just become long is old, and by that it would rather
-- read and sort it whole.
set local enable_seqscan = off;
set local enable_bitmapscan = off;
set local enable_sort = off;

-- name: waiting_jobs
-- Planned `by_index`, reads as many rows as jobs are asked for and as jobs run, however many wait. No joins, but
-- subqueries for each row: those are looked up, whatever PostgreSQL expects. No pause takes a minute: what is due later was
-- queued before the clock was set back.
with running as (
    select user_id, count(*) as jobs from dispatch_leases group by user_id
), idle as (
    select u.user_id, 0::bigint as running, u.finish_seconds, u.arrival
    from dispatch_users u
    where u.waiting > 0
        and (select true from dispatch_leases l where l.user_id = u.user_id limit 1) is null
        and (
            select true from dispatch_queue q
            where q.user_id = u.user_id and q.status = 'queued'
                and (q.due_at <= now() or q.due_at > now() + interval '1 minute')
                and q.transcription_id <> all($2::uuid[])
            order by q.arrival
            limit 1
        )
    order by u.finish_seconds, u.arrival
    limit 64
), busy as (
    -- Whether they wait is asked outside: inside, the index of those who wait would do as well, read from its beginning.
    select r.user_id, r.jobs as running, w.finish_seconds, w.arrival
    from running r
    cross join lateral (
        select u.finish_seconds, u.arrival, u.waiting from dispatch_users u where u.user_id = r.user_id limit 1
    ) w
    where w.waiting > 0
    order by r.jobs, w.finish_seconds, w.arrival
    limit 64
)
select c.user_id, c.running, c.finish_seconds, c.arrival, j.transcription_id, j.requested_at, j.charge_seconds
from (select * from idle union all select * from busy) c
cross join lateral (
    select q.transcription_id, q.requested_at, q.arrival,
        case when q.attempt = 0 then q.duration_seconds else 0 end as charge_seconds
    from dispatch_queue q
    where q.user_id = c.user_id and q.status = 'queued'
        and (q.due_at <= now() or q.due_at > now() + interval '1 minute')
        and q.transcription_id <> all($2::uuid[])
        and (select true from dispatch_leases l where l.transcription_id = q.transcription_id) is null
    order by q.arrival
    limit $1
) j
order by c.user_id, j.arrival;

-- name: virtual_seconds
select virtual_seconds from dispatch_virtual_clock;

-- name: outstanding
select exists (select from dispatch_leases) or exists (select from dispatch_queue where status = 'running') as held,
    exists (select from dispatch_queue where status = 'queued') as queued,
    exists (select from dispatch_leases where waits) as ahead,
    extract(epoch from clock_timestamp())::float8 as clock_seconds;

-- name: overdue
-- Of a worker that is gone for certain: -infinity. What is further ahead than any lease is of before the clock was set back.
select transcription_id, attempt from dispatch_leases
where (
        expires_at = '-infinity'
        or $3::boolean and (expires_at < now() or expires_at > now() + make_interval(secs => 2 * $1))
    )
    and transcription_id <> all($2::uuid[])
union all
-- Started, and the dispatcher died before it wrote the lease.
select q.transcription_id, q.attempt from dispatch_queue q
where $3::boolean and q.status = 'running'
    and (
        q.started_at < now() - make_interval(secs => $1) or q.started_at > now() + make_interval(secs => $1)
    )
    and q.transcription_id <> all($2::uuid[])
    and not exists (select from dispatch_leases l where l.transcription_id = q.transcription_id)
limit 100;

-- name: grant
-- With the lease its user is charged, and the virtual clock goes on.
with granted as (
    insert into dispatch_leases (transcription_id, attempt, worker_id, user_id, requested_at, expires_at)
    values ($1, $2, $3, $4, $5, now() + make_interval(secs => $6))
    on conflict (transcription_id) do update set
        attempt = excluded.attempt,
        worker_id = excluded.worker_id,
        requested_at = excluded.requested_at,
        expires_at = excluded.expires_at,
        waits = null
    where excluded.attempt > dispatch_leases.attempt
    returning user_id
), waiting as (
    select greatest(1, count(*)) as users from (select from dispatch_users where waiting > 0 limit 1000) w
), clock as (
    update dispatch_virtual_clock set
        entry_seconds = virtual_seconds,
        virtual_seconds = virtual_seconds + $7::float8 / waiting.users
    from waiting
    where $7::float8 > 0 and exists (select from granted)
    returning entry_seconds
)
update dispatch_users u set finish_seconds = greatest(u.finish_seconds, clock.entry_seconds) + $7::float8
from clock
where u.user_id = $4;

-- name: end
delete from dispatch_leases where transcription_id = $1 and attempt = $2 and worker_id = coalesce($3, worker_id);

-- name: announce
with seen as (
    insert into dispatch_workers
        (worker_id, engine, slots, ahead, in_hand, languages, translates, detects, takes_prompt, aligns, aligning,
        seen_at)
    select w.worker_id, w.engine, w.slots, w.ahead, w.in_hand, w.languages, w.translates, w.detects, w.takes_prompt,
        w.aligns, w.aligning, now()
    from unnest($1::uuid[], $2::text[], $3::integer[], $4::integer[], $5::integer[], $6::text[], $7::boolean[],
        $8::boolean[], $9::boolean[], $10::boolean[], $11::uuid[])
        w (worker_id, engine, slots, ahead, in_hand, languages, translates, detects, takes_prompt, aligns, aligning)
    on conflict (worker_id) do update set
        engine = excluded.engine, slots = excluded.slots, ahead = excluded.ahead, in_hand = excluded.in_hand,
        languages = excluded.languages,
        translates = excluded.translates, detects = excluded.detects, takes_prompt = excluded.takes_prompt,
        aligns = excluded.aligns, aligning = excluded.aligning,
        seen_at = excluded.seen_at
), silent as (
    delete from dispatch_workers where seen_at < now() - interval '1 hour' and worker_id <> all($1::uuid[])
), running as (
    select * from unnest($12::uuid[], $13::integer[], $14::uuid[], $15::boolean[])
        r (transcription_id, attempt, worker_id, waits)
), renewed as (
    update dispatch_leases l set expires_at = now() + make_interval(secs => $16), waits = r.waits
    from running r
    where l.transcription_id = r.transcription_id and l.attempt = r.attempt and l.worker_id = r.worker_id
), adopted as (
    -- Attempts whose dispatcher died before it wrote the lease: their worker makes up for it.
    insert into dispatch_leases (transcription_id, attempt, worker_id, user_id, requested_at, expires_at)
    select q.transcription_id, q.attempt, q.worker_id, q.user_id, q.requested_at, now() + make_interval(secs => $16)
    from running r
    join dispatch_queue q using (transcription_id, attempt, worker_id)
    where q.status = 'running'
    on conflict (transcription_id) do nothing
)
-- What a worker has put down and the queue no longer holds was cancelled: its slot is free. What the queue still
-- holds stays leased: either it was never received, and its lease runs out, or its outcome is on the way.
delete from dispatch_leases l
where l.worker_id = any($1::uuid[])
    and not exists (
        select from running r
        where r.transcription_id = l.transcription_id and r.attempt = l.attempt and r.worker_id = l.worker_id
    )
    and not exists (
        select from dispatch_queue q
        where q.transcription_id = l.transcription_id and q.requested_at = l.requested_at
    );

-- name: dismiss
delete from dispatch_workers where worker_id = any($1::uuid[]);

-- name: give_up
update dispatch_leases set expires_at = '-infinity' where worker_id = any($1::uuid[]);

-- name: note_progress
with news as (
    select * from unnest($1::uuid[], $2::integer[], $3::uuid[], $4::double precision[], $5::double precision[],
        $6::integer[]) n (transcription_id, attempt, worker_id, done_seconds, total_seconds, percentage)
), renewed as (
    update dispatch_leases l set expires_at = now() + make_interval(secs => $7)
    from news n
    where l.transcription_id = n.transcription_id and l.attempt = n.attempt and l.worker_id = n.worker_id
    returning l.transcription_id, l.attempt, l.worker_id, l.user_id, l.requested_at
), moved as (
    insert into transcription_progress as known
        (transcription_id, attempt, requested_at, done_seconds, total_seconds, percentage, updated_at)
    select n.transcription_id, n.attempt, r.requested_at, n.done_seconds, n.total_seconds, n.percentage, now()
    from news n join renewed r using (transcription_id, attempt, worker_id)
    -- Forward only, as long as it is the same request: a new attempt begins behind where the last one was killed.
    on conflict (transcription_id) do update set
        attempt = excluded.attempt,
        requested_at = excluded.requested_at,
        done_seconds = excluded.done_seconds,
        total_seconds = excluded.total_seconds,
        percentage = excluded.percentage,
        updated_at = excluded.updated_at
    where known.requested_at is distinct from excluded.requested_at or excluded.done_seconds > known.done_seconds
    returning transcription_id
), finished as (
    insert into transcription_windows as known
        (transcription_id, index, user_id, requested_at, attempt, start_ms, end_ms, key)
    select w.transcription_id, w.index, r.user_id, r.requested_at, w.attempt, w.start_ms, w.end_ms, w.key
    from unnest($8::uuid[], $9::integer[], $10::uuid[], $11::integer[], $12::integer[], $13::integer[], $14::text[])
        w (transcription_id, attempt, worker_id, index, start_ms, end_ms, key)
    join renewed r using (transcription_id, attempt, worker_id)
    -- The next attempt finds the windows of the last one, and names them again.
    on conflict (transcription_id, index) do update set
        requested_at = excluded.requested_at,
        attempt = excluded.attempt,
        start_ms = excluded.start_ms,
        end_ms = excluded.end_ms,
        key = excluded.key
    returning transcription_id
), told as (
    -- A payload is less than 8,000 bytes.
    select r.user_id || ':' || r.transcription_id as pair, (row_number() over () - 1) / 100 as part
    from renewed r
    where r.transcription_id in (select transcription_id from moved union select transcription_id from finished)
)
select pg_notify($15, string_agg(pair, ',')) from told group by part;

-- name: drop_windows
-- Of what has ended, or was requested anew.
delete from transcription_windows w
where not exists (
    select from dispatch_queue q
    where q.transcription_id = w.transcription_id and q.requested_at = w.requested_at
);

-- name: report_offsets
select partition, next_offset from report_offsets;

-- name: keep_offsets
insert into report_offsets (partition, next_offset)
select * from unnest($1::integer[], $2::bigint[])
on conflict (partition) do update set next_offset = excluded.next_offset;

-- name: create
create sequence if not exists dispatch_arrivals;
-- due_at, started_at and arrival are the database's: by its clock and its count, whatever the clocks of others say.
create table if not exists dispatch_queue (
    transcription_id uuid             primary key,
    user_id          uuid             not null,
    requested_at     timestamptz      not null,
    status           text             not null,
    duration_seconds double precision not null default 0,
    pause_seconds    double precision not null default 0,
    failures         integer          not null,
    attempt          integer          not null,
    worker_id        uuid,
    due_at           timestamptz      not null,
    started_at       timestamptz,
    arrival          bigint           not null default nextval('dispatch_arrivals')
);
create index if not exists dispatch_queue_queued on dispatch_queue (user_id, arrival) where status = 'queued';
create index if not exists dispatch_queue_running on dispatch_queue (started_at) where status = 'running';
-- Who waits, and where each user's last job ends on the virtual clock; arrival is that of the job with which the
-- user began to wait.
create table if not exists dispatch_users (
    user_id        uuid             primary key,
    waiting        bigint           not null,
    finish_seconds double precision not null,
    arrival        bigint           not null
) with (fillfactor = 70);
create index if not exists dispatch_users_waiting on dispatch_users (finish_seconds, arrival) where waiting > 0;
create table if not exists dispatch_virtual_clock (
    only_row        boolean          primary key default true check (only_row),
    virtual_seconds double precision not null,
    entry_seconds   double precision not null
) with (fillfactor = 50);
insert into dispatch_virtual_clock (virtual_seconds, entry_seconds) values (0, 0) on conflict do nothing;

-- name: columns
select array_agg(attname::text) from pg_attribute
where attrelid = to_regclass('dispatch_queue') and attnum > 0 and not attisdropped;

-- name: forget
-- What is to be folded anew. What users were served is no fold, and stays.
drop table dispatch_queue;
delete from projection_checkpoints where projection = 'dispatch_queue';
delete from projection_failures where projection = 'dispatch_queue';

-- name: recount
update dispatch_users set waiting = 0 where waiting > 0;

-- name: load
select transcription_id, user_id, requested_at, status, duration_seconds, pause_seconds, failures, attempt, worker_id
from dispatch_queue where transcription_id = any($1::uuid[]);

-- name: store
-- Users with nothing waiting before come in where the virtual clock was when the last job started: in front of whoever
-- has just been served, and not far: having been away is no merit, and being new neither.
with news as materialized (
    select n.*, nextval('dispatch_arrivals') as arrival
    from (
        select * from rows from (json_to_recordset($1::json) as (transcription_id uuid, user_id uuid,
            requested_at timestamptz, status text, duration_seconds double precision, pause_seconds double precision,
            failures integer, attempt integer, worker_id uuid)) with ordinality
            n (transcription_id, user_id, requested_at, status, duration_seconds, pause_seconds, failures, attempt,
            worker_id, place)
        order by place
    ) n
), before as materialized (
    select transcription_id from dispatch_queue q join news using (transcription_id) where q.status = 'queued'
), stored as (
    insert into dispatch_queue as q (transcription_id, user_id, requested_at, status, duration_seconds,
        pause_seconds, failures, attempt, worker_id, due_at, started_at, arrival)
    select transcription_id, user_id, requested_at, status, duration_seconds, pause_seconds, failures, attempt,
        worker_id, now() + make_interval(secs => pause_seconds), case when status = 'running' then now() end, arrival
    from news
    on conflict (transcription_id) do update set
        requested_at = excluded.requested_at,
        status = excluded.status,
        duration_seconds = excluded.duration_seconds,
        pause_seconds = excluded.pause_seconds,
        failures = excluded.failures,
        attempt = excluded.attempt,
        worker_id = excluded.worker_id,
        due_at = excluded.due_at,
        started_at = excluded.started_at,
        arrival = case when q.requested_at = excluded.requested_at then q.arrival else excluded.arrival end
    where (q.requested_at, q.status, q.attempt) <> (excluded.requested_at, excluded.status, excluded.attempt)
), changed as (
    select n.user_id, min(n.arrival) as arrival,
        count(*) filter (where n.status = 'queued') - count(b.transcription_id) as waiting
    from news n left join before b using (transcription_id)
    group by n.user_id
)
insert into dispatch_users as u (user_id, waiting, finish_seconds, arrival)
select user_id, waiting, entry_seconds, arrival from changed cross join dispatch_virtual_clock
where waiting <> 0
on conflict (user_id) do update set
    waiting = u.waiting + excluded.waiting,
    finish_seconds = case
        when u.waiting = 0 then greatest(u.finish_seconds, excluded.finish_seconds) else u.finish_seconds
    end,
    arrival = case when u.waiting = 0 then excluded.arrival else u.arrival end;

-- name: remove
with gone as (
    delete from dispatch_queue where transcription_id = any($1::uuid[]) returning user_id, status
), fewer as (
    select user_id, count(*) as jobs from gone where status = 'queued' group by user_id
)
update dispatch_users u set waiting = u.waiting - f.jobs from fewer f where f.user_id = u.user_id;

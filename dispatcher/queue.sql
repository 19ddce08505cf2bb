-- name: create
create table if not exists dispatch_queue (
    transcription_id uuid        primary key,
    user_id          uuid        not null,
    requested_at     timestamptz not null,
    status           text        not null,
    due_at           timestamptz not null,
    failures         integer     not null,
    attempt          integer     not null,
    worker_id        uuid,
    started_at       timestamptz
);
create index if not exists dispatch_queue_queued on dispatch_queue (user_id, requested_at) where status = 'queued';
create index if not exists dispatch_queue_running on dispatch_queue (started_at) where status = 'running';

-- name: load
select transcription_id, user_id, requested_at, status, due_at, failures, attempt, worker_id, started_at
from dispatch_queue where transcription_id = any($1::uuid[]);

-- name: store
insert into dispatch_queue (transcription_id, user_id, requested_at, status, due_at, failures, attempt,
    worker_id, started_at)
select * from unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::text[], $5::timestamptz[], $6::integer[],
    $7::integer[], $8::uuid[], $9::timestamptz[])
on conflict (transcription_id) do update set
    requested_at = excluded.requested_at,
    status = excluded.status,
    due_at = excluded.due_at,
    failures = excluded.failures,
    attempt = excluded.attempt,
    worker_id = excluded.worker_id,
    started_at = excluded.started_at;

-- name: remove
delete from dispatch_queue where transcription_id = any($1::uuid[]);

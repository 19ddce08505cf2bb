-- name: under_way
select user_id, date_part('epoch', clock_timestamp() - erasure_requested_at) as seconds
from credentials
where erasure_requested_at is not null and erased_at is null
order by erasure_requested_at;

-- name: done_within
select user_id from credentials where erased_at > clock_timestamp() - make_interval(secs => $1);

-- name: come_back
select asked.owner_id
from events asked
left join credentials c on c.user_id = asked.owner_id
left join person_keys k on k.owner_id = asked.owner_id
where asked.type = 'UserErasureRequested'
    and (c.erasure_requested_at is null or c.erased_at is not null and k.erased_at is null);

-- name: open_streams_of
select first.stream_id from events first
where first.owner_id = $1 and first.version = 1 and first.stream_id ~ '^(file|transcription)-'
    and not exists (
        select from events ended
        where ended.partition = first.partition and ended.stream_id = first.stream_id
            and ended.type in ('FileDeleted', 'TranscriptionDeleted')
    )
order by first.stream_id;

-- name: is_worked_for
-- A lease that has run out counts no more: its worker has had its time to hear that nobody wants its work.
select exists (select from dispatch_leases where user_id = $1 and expires_at > now());

-- name: forget_credentials
-- The row may be of a time before they asked, or not be there, where the table was restored.
insert into credentials as known (user_id, erasure_requested_at) values ($1, clock_timestamp())
on conflict (user_id) do update set
    email = null,
    password_hash = null,
    erasure_requested_at = coalesce(known.erasure_requested_at, excluded.erasure_requested_at)
where known.email is not null or known.erasure_requested_at is null;

-- name: forget_sources
delete from known_sources where user_id = $1;

-- name: forget_key_uses
delete from api_key_uses where user_id = $1;

-- name: forget_progress
delete from transcription_progress p using events first
where first.owner_id = $1 and first.version = 1 and first.stream_id = 'transcription-' || p.transcription_id;

-- name: forget_windows
delete from transcription_windows where user_id = $1;

-- name: forget_spoken
delete from spoken_passages where user_id = $1;

-- name: forget_answers
-- Also that they were registered, which is nobody's answer: who registers with the same key once the address is free is somebody new.
delete from idempotency_keys k
where k.owner_id = $1 or k.owner_id = '00000000-0000-0000-0000-000000000000' and exists (
    select from events e
    where e.owner_id = $1 and e.version = 1 and e.type in ('UserRegistered', 'QuotaGranted')
        and strpos(k.headers, '"consistency-token","' || e.partition || ':' || e.seq || '"') > 0
);

-- name: finish
update credentials set erased_at = clock_timestamp() where user_id = $1 and erased_at is null;

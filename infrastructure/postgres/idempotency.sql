-- name: claim
-- Answers a row when the request is the caller's to carry out: it is new, it is older than $5 seconds, or whoever had it in hand has died.
insert into idempotency_keys as known (owner_id, key_digest, request_digest, alive_until)
values ($1, $2, $3, clock_timestamp() + make_interval(secs => $4))
on conflict (owner_id, key_digest) do update set
    request_digest = excluded.request_digest,
    identity = case when known.created_at < clock_timestamp() - make_interval(secs => $5)
        then excluded.identity else known.identity end,
    generation = known.generation + 1,
    created_at = case when known.created_at < clock_timestamp() - make_interval(secs => $5)
        then excluded.created_at else known.created_at end,
    alive_until = excluded.alive_until, status = null, headers = null, body = null
where known.created_at < clock_timestamp() - make_interval(secs => $5)
    or known.status is null and known.alive_until < clock_timestamp()
        and known.request_digest = excluded.request_digest
returning identity, generation;

-- name: find
select request_digest, status, headers, body, exists (
    select from credentials c where c.user_id = known.owner_id and c.erasure_requested_at is not null)
from idempotency_keys known where owner_id = $1 and key_digest = $2;

-- name: renew
update idempotency_keys set alive_until = clock_timestamp() + make_interval(secs => $4)
where owner_id = $1 and key_digest = $2 and generation = $3 and status is null;

-- name: keep
update idempotency_keys set status = $4, headers = $5, body = $6
where owner_id = $1 and key_digest = $2 and generation = $3 and status is null;

-- name: free
delete from idempotency_keys where owner_id = $1 and key_digest = $2 and generation = $3 and status is null;

-- name: expire
delete from idempotency_keys where (owner_id, key_digest) in (
    select owner_id, key_digest from idempotency_keys
    where created_at < clock_timestamp() - make_interval(secs => $1)
        and (status is not null or alive_until < clock_timestamp())
    order by created_at limit $2 for update skip locked
);

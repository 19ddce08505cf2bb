-- Requests that carried an Idempotency-Key: whether one is being answered, and what was answered, for a day. Of the key and of the
-- request only digests are kept. The answer may name somebody's file, so that it goes with its owner.
create table idempotency_keys (
    owner_id uuid not null,
    key_digest bytea not null,
    -- Of the request: the same key with another one is refused.
    request_digest bytea not null,
    -- What is made by the request may be named by it, also when it is made by the second process that tries.
    identity uuid not null default gen_random_uuid(),
    -- Grows when a request is taken over from a process that died; the earlier one changes nothing any more.
    generation integer not null default 1,
    alive_until timestamptz not null,
    created_at timestamptz not null default clock_timestamp(),
    -- Null while it is being answered.
    status integer,
    headers text,
    body bytea,
    primary key (owner_id, key_digest)
);

alter table idempotency_keys alter column body set statistics 0, alter column headers set statistics 0;
create index on idempotency_keys (created_at);

-- Unlogged: a crash of the database may forgive attempts, and counting them must not wait for the disk.
-- `full_at` is when the allowance will have refilled entirely (the generic cell rate algorithm).
create unlogged table rate_limits (
    key bytea primary key,
    full_at timestamptz not null
);

create index on rate_limits (full_at);

-- Which log it is that the checkpoints are of: two installations are never taken for one another.
create table evidence_log (
    only_row boolean primary key default true check (only_row),
    installation_id uuid not null default gen_random_uuid()
);
insert into evidence_log default values;

-- The chain of checkpoints of each partition: whoever adds one names the one before it, and each has one successor at the most. So a
-- size never goes back, and of two that seal the slower is refused. What lies before the last full tile is removed, but for the last.
create table evidence_checkpoints (
    partition integer not null,
    size bigint not null,
    previous_size bigint not null check (previous_size >= 0 and previous_size < size),
    root bytea not null check (octet_length(root) = 32),
    note text not null,
    sealed_at timestamptz not null,
    -- Null until its message is in Kafka.
    told_at timestamptz,
    primary key (partition, size),
    unique (partition, previous_size)
);

-- What checkpoints can be verified with, also those that were signed by a key that is not in use any more.
create table evidence_keys (
    partition integer not null,
    verifier_key text collate "C" not null,
    since timestamptz not null default clock_timestamp(),
    primary key (partition, verifier_key)
);

-- Why partitions are not sealed any more.
create table evidence_refusals (
    partition integer primary key,
    reason text not null,
    since timestamptz not null default clock_timestamp()
);

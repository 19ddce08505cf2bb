-- As 007, but told of nobody: a notification takes a lock of the whole server until its transaction is flushed, so
-- that appends of all partitions and processes committed one by one. Whoever appends says so after the commit.
--
-- Appends the events of many commands in one call; each command wholly or not at all.
--
-- The arrays have one element per event, and the events of a command stand together. `expected` is the version
-- the stream must be at, given with a command's first event for each stream and null with the others.
-- Answers one row per command: the last seq it got, or the stream whose version was not the expected one.
-- A command whose first event is already stored under the same event_id was recorded by an earlier call whose
-- answer got lost: it answers the same seq again and stores nothing.
--
-- No two commands of one call may touch the same stream.
--
-- With `patience_ms` it waits no longer than that for its partitions, and is then refused with lock_not_available;
-- with null it waits as long as the session does.
--
-- Sequential scans are off because the plans are made once, when the table may be empty.
create or replace function append_events_v2(
    patience_ms integer,
    commands integer[],
    partitions integer[],
    stream_ids text[],
    versions integer[],
    expected integer[],
    owner_ids uuid[],
    types text[],
    schema_versions integer[],
    contents bytea[],
    event_ids uuid[],
    actors text[],
    correlation_ids uuid[],
    causation_ids uuid[],
    request_ids text[],
    traceparents text[]
) returns table (command integer, last_seq bigint, conflicting_stream text)
language plpgsql
set search_path = public
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
set jit = off
as $$
#variable_conflict use_column
declare
    settled integer[];
    conflicting text[];
    moment timestamptz;
begin
    if patience_ms is not null then
        perform set_config('lock_timeout', patience_ms::text, true);
    end if;
    perform from log_partitions where partition = any (partitions) order by partition for update;
    -- A new statement sees what was committed while this call waited for the partitions.
    moment := clock_timestamp();

    select
        array_agg(asked.command),
        array_agg(asked.stream_id) filter (where rival.event_id is distinct from asked.event_id)
    from unnest(commands, stream_ids, expected, event_ids) as asked (command, stream_id, expected, event_id)
    left join events as rival on rival.stream_id = asked.stream_id and rival.version = asked.expected + 1
    left join events as last on last.stream_id = asked.stream_id and last.version = asked.expected
    where asked.expected is not null
        and (rival.event_id is not null or (asked.expected > 0 and last.event_id is null))
    into settled, conflicting;

    if settled is not null then
        return query
        select
            asked.command,
            max(own.seq),
            min(asked.stream_id) filter (where asked.stream_id = any (conflicting))
        from unnest(commands, stream_ids, versions, event_ids) as asked (command, stream_id, version, event_id)
        left join events as own
            on own.stream_id = asked.stream_id and own.version = asked.version and own.event_id = asked.event_id
        where asked.command = any (settled)
        group by asked.command;
    end if;

    return query
    with heads as materialized (
        select partition, seq from log_heads where partition = any (partitions)
    ),
    fresh as materialized (
        select
            head.seq + row_number() over (partition by asked.partition order by asked.place) as seq,
            asked.*
        from unnest(
            commands, partitions, stream_ids, versions, owner_ids, types, schema_versions, contents,
            event_ids, actors, correlation_ids, causation_ids, request_ids, traceparents
        ) with ordinality as asked (
            command, partition, stream_id, version, owner_id, type, schema_version, data,
            event_id, actor, correlation_id, causation_id, request_id, traceparent, place
        )
        join heads as head on head.partition = asked.partition
        where settled is null or asked.command <> all (settled)
    ),
    stored as (
        insert into events (
            partition, seq, stream_id, version, owner_id, type, schema_version, data,
            event_id, recorded_at, actor, correlation_id, causation_id, request_id, traceparent
        )
        select
            partition, seq, stream_id, version, owner_id, type, schema_version, data,
            event_id, moment, actor, correlation_id, causation_id, request_id, traceparent
        from fresh
    )
    select command, max(seq), null::text from fresh group by command;
end
$$;

-- For processes of the version before, which expect that it tells who listens.
create or replace function append_events_v1(
    commands integer[],
    partitions integer[],
    stream_ids text[],
    versions integer[],
    expected integer[],
    owner_ids uuid[],
    types text[],
    schema_versions integer[],
    contents bytea[],
    event_ids uuid[],
    actors text[],
    correlation_ids uuid[],
    causation_ids uuid[],
    request_ids text[],
    traceparents text[]
) returns table (command integer, last_seq bigint, conflicting_stream text)
language plpgsql
set search_path = public
as $$
#variable_conflict use_column
begin
    return query select * from append_events_v2(
        null,
        commands, partitions, stream_ids, versions, expected, owner_ids, types, schema_versions,
        contents, event_ids, actors, correlation_ids, causation_ids, request_ids, traceparents
    );
    perform pg_notify(
        'events_appended',
        (select string_agg(distinct asked.partition::text, ',') from unnest(partitions) as asked (partition))
    );
end
$$;

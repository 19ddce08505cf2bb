-- Reads many streams in one call, each on from the last event that the caller knows of it.
--
-- The arrays have one element per stream: its id, and the version and the id of the event known last (0 and null
-- when none is). A stream that does not hold that event any more, as after a failover that lost commits, is read
-- from its beginning, and `after` is 0. Every stream has at least one row; one that has nothing new has nulls there.
-- Not more than `rows_max` rows: what comes last is left out.
--
-- Sequential scans are off because the plan is made once, when the table may be empty.
create function read_streams_v1(
    stream_ids text[],
    versions integer[],
    event_ids uuid[],
    rows_max integer
) returns table (
    stream_id text,
    after integer,
    version integer,
    event_id uuid,
    type text,
    schema_version integer,
    data bytea
)
language plpgsql
stable
set search_path = public
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
set jit = off
as $$
#variable_conflict use_column
begin
    return query
    select
        asked.stream_id, known.version, new.version, new.event_id, new.type, new.schema_version, new.data
    from unnest(stream_ids, versions, event_ids) with ordinality as asked (stream_id, version, event_id, place)
    cross join lateral (
        select coalesce(max(events.version), 0) as version
        from events
        where events.stream_id = asked.stream_id
            and events.version = asked.version
            and events.event_id = asked.event_id
    ) as known
    left join lateral (
        select * from events where events.stream_id = asked.stream_id and events.version > known.version
    ) as new on true
    order by asked.place, new.version
    limit rows_max;
end
$$;

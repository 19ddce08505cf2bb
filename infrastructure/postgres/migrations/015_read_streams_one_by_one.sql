-- As 009, but stream by stream. As one join the plan depended on what the statistics said of streams in general: with one
-- long stream in a small log, the whole log was read for each stream that was asked for.
create or replace function read_streams_v1(
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
set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan
set jit = off
as $$
#variable_conflict use_column
declare
    place integer;
    known integer;
    rows_left integer := rows_max;
    rows_new integer;
begin
    for place in 1 .. cardinality(stream_ids) loop
        known := 0;
        if versions[place] > 0 then
            select coalesce(max(events.version), 0)
            from events
            where events.stream_id = stream_ids[place]
                and events.version = versions[place]
                and events.event_id = event_ids[place]
            into strict known;
        end if;

        return query
        select
            events.stream_id, known, events.version, events.event_id, events.type, events.schema_version,
            events.data
        from events
        where events.stream_id = stream_ids[place] and events.version > known
        order by events.version
        limit rows_left;

        get diagnostics rows_new = row_count;
        if rows_new = 0 then
            stream_id := stream_ids[place];
            after := known;
            version := null;
            event_id := null;
            type := null;
            schema_version := null;
            data := null;
            return next;
            rows_new := 1;
        end if;
        rows_left := rows_left - rows_new;
        exit when rows_left <= 0;
    end loop;
end
$$;

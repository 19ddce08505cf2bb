-- A table for each partition of the log, so that one can be detached, archived and moved without the others.
--
-- Functions that meet the log at every command go to the tables of the partitions that they are about, and to no other:
-- by way of `events` each call would lock all tables, and plan for them. Such functions are written anew for the number
-- of partitions, by write_log_functions, which chooses between the tables by halves.

-- What hangs on the log keeps its rights, and what stands on it is asked for again below.
lock table events in access exclusive mode;
alter table events rename to events_in_one;
do $$
declare
    taken name;
begin
    for taken in select conname from pg_constraint where conrelid = 'events_in_one'::regclass loop
        execute format('alter table events_in_one rename constraint %I to %I', taken, 'old_' || taken);
    end loop;
end
$$;

-- A stream has one owner, and the owner decides the partition: so versions that are unique in each partition are unique.
create table events (
    partition integer not null,
    seq bigint not null check (seq > 0),
    stream_id text collate "C" not null,
    version integer not null check (version >= 0),
    owner_id uuid not null,
    type text collate "C" not null,
    schema_version integer not null,
    data bytea not null,
    event_id uuid not null,
    recorded_at timestamptz not null,
    actor text not null,
    correlation_id uuid not null,
    causation_id uuid,
    request_id text,
    traceparent text,
    primary key (partition, seq),
    constraint events_stream_id_version_key unique (stream_id, version, partition)
) partition by list (partition);

create trigger events_are_append_only before update or delete or truncate on events
for each statement execute function refuse_change();

-- Gives `target` the rights that others have on `source`.
create function copy_rights(source regclass, target regclass) returns void language plpgsql as $$
declare
    allowed record;
begin
    for allowed in
        select
            entry.privilege_type as what,
            case when entry.grantee = 0 then 'public' else entry.grantee::regrole::text end as whom,
            case when entry.is_grantable then ' with grant option' else '' end as how
        from pg_class
        cross join lateral aclexplode(relacl) as entry
        where pg_class.oid = source and entry.grantee <> relowner
    loop
        execute format('grant %s on %s to %s%s', allowed.what, target, allowed.whom, allowed.how);
    end loop;
end
$$;

select copy_rights('events_in_one', 'events');

create function is_attached(of_partition integer) returns boolean language sql stable parallel safe
return pg_partition_root(to_regclass('public.events_' || of_partition)) is not null;

-- True, or the error SL002 whose text says which of them are not there.
create function require_attached(partitions integer[]) returns boolean language plpgsql stable as $$
declare
    of_partition integer;
    detached integer[] := '{}';
begin
    foreach of_partition in array partitions loop
        if not is_attached(of_partition) then
            detached := detached || of_partition;
        end if;
    end loop;
    if detached <> '{}' then
        raise exception '%', array_to_string(detached, ',') using errcode = 'SL002';
    end if;
    return true;
end
$$;

-- The same of one, in a query of its table, and at no cost: called immutable it is carried out when the query is planned,
-- and whenever a table is detached, attached, renamed or dropped, all plans over it are made anew.
create function attached_when_planned(of_partition integer) returns boolean language sql immutable
return require_attached(array[of_partition]);

create view detached_partitions as
select partition from log_partitions where not is_attached(partition);

-- Creates the table of a partition, which is not yet one of the log's, and has no index yet.
create function create_table_of(new_partition integer) returns void language plpgsql
set search_path = public
as $$
begin
    execute format('create table events_%s (like events including constraints)', new_partition);
    -- It outlives being detached, so that attaching it again need not look at the rows.
    execute format(
        'alter table events_%1$s add constraint events_%1$s_holds check (partition = %1$s)', new_partition
    );
    execute format(
        'create trigger events_are_append_only before update or delete or truncate on events_%s '
        'for each statement execute function refuse_change()', new_partition
    );
end
$$;

create function attach_table_of(new_partition integer) returns void language plpgsql
set search_path = public
as $$
begin
    execute format('alter table events attach partition events_%1$s for values in (%1$s)', new_partition);
    perform copy_rights('events', format('events_%s', new_partition)::regclass);
    insert into log_partitions values (new_partition) on conflict do nothing;
end
$$;

-- The statements for each partition, %p in them its number, of which those for `of_partition` are carried out.
create function by_partition(lowest integer, highest integer, statements text) returns text language plpgsql as $$
declare
    middle integer := (lowest + highest + 1) / 2;
begin
    if lowest = highest then
        return replace(statements, '%p', lowest::text);
    end if;
    return format(
        E'if of_partition < %s then\n%s\nelse\n%s\nend if;',
        middle, by_partition(lowest, middle - 1, statements), by_partition(middle, highest, statements)
    );
end
$$;

-- Writes the functions that go to the tables of single partitions, for as many as there are.
create function write_log_functions() returns void language plpgsql
set search_path = public
as $write$
declare
    highest integer := (select max(partition) from log_partitions);
begin
    execute replace($text$
-- An event by its place in its stream; nulls when there is none.
create or replace function event_at(
    of_partition integer, of_stream text, at_version integer, out seq bigint, out event_id uuid
)
language plpgsql
stable
as $$
#variable_conflict use_column
begin
    /* by partition */
end
$$
$text$, '/* by partition */', by_partition(0, highest, $one$
    select seq, event_id from events_%p where stream_id = of_stream and version = at_version into seq, event_id;
$one$));

    execute replace($text$
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
-- with null it waits as long as the session does. When one of the partitions is detached nothing is stored: SL002.
--
-- Nearly always all commands fit. So they are stored without a look at their rivals, and only where the versions turn
-- out to be taken is each command looked at.
--
-- Sequential scans are off because the plans are made once, when the tables may be empty.
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
    touched integer[];
    heads bigint[] := '{}';
    of_partition integer;
    moment timestamptz;
    is_careful boolean;
    settled integer[];
    conflicting text[];
begin
    if patience_ms is not null then
        perform set_config('lock_timeout', patience_ms::text, true);
    end if;
    select array_agg(partition) from (
        select partition from log_partitions where partition = any (partitions) order by partition for update
    ) as locked
    into touched;
    -- A new statement sees what was committed while this call waited for the partitions.
    moment := clock_timestamp();

    loop
        begin
            if heads = '{}' then
                foreach of_partition in array touched loop
                    /* by partition */
                end loop;
                is_careful := exists (
                    select from unnest(partitions, stream_ids, expected) as asked (partition, stream_id, expected)
                    where asked.expected > 0
                        and (event_at(asked.partition, asked.stream_id, asked.expected)).event_id is null
                );
            end if;

            if is_careful then
                select
                    array_agg(asked.command),
                    array_agg(asked.stream_id) filter (where rival.event_id is distinct from asked.event_id)
                from unnest(commands, partitions, stream_ids, expected, event_ids)
                    as asked (command, partition, stream_id, expected, event_id)
                cross join lateral event_at(asked.partition, asked.stream_id, asked.expected + 1) as rival
                cross join lateral event_at(asked.partition, asked.stream_id, asked.expected) as last
                where asked.expected is not null
                    and (rival.event_id is not null or (asked.expected > 0 and last.event_id is null))
                into settled, conflicting;
            end if;

            insert into events (
                partition, seq, stream_id, version, owner_id, type, schema_version, data,
                event_id, recorded_at, actor, correlation_id, causation_id, request_id, traceparent
            )
            select
                asked.partition,
                head.seq + row_number() over (partition by asked.partition order by asked.place),
                stream_id, version, owner_id, type, schema_version, data,
                event_id, moment, actor, correlation_id, causation_id, request_id, traceparent
            from unnest(
                commands, partitions, stream_ids, versions, owner_ids, types, schema_versions, contents,
                event_ids, actors, correlation_ids, causation_ids, request_ids, traceparents
            ) with ordinality as asked (
                command, partition, stream_id, version, owner_id, type, schema_version, data,
                event_id, actor, correlation_id, causation_id, request_id, traceparent, place
            )
            join unnest(touched, heads) as head (partition, seq) on head.partition = asked.partition
            where settled is null or asked.command <> all (settled);
            exit;
        exception
            when unique_violation then
                if is_careful then
                    raise;
                end if;
                is_careful := true;
            when undefined_table or check_violation then
                perform require_attached(touched);
                raise;
        end;
    end loop;

    if settled is not null then
        return query
        select
            asked.command,
            max(own.seq) filter (where own.event_id = asked.event_id),
            min(asked.stream_id) filter (where asked.stream_id = any (conflicting))
        from unnest(commands, partitions, stream_ids, versions, event_ids)
            as asked (command, partition, stream_id, version, event_id)
        cross join lateral event_at(asked.partition, asked.stream_id, asked.version) as own
        where asked.command = any (settled)
        group by asked.command;
    end if;

    return query
    select fresh.command, max(head.seq + fresh.number), null::text
    from (
        select asked.*, row_number() over (partition by asked.partition order by asked.place) as number
        from unnest(commands, partitions) with ordinality as asked (command, partition, place)
        where settled is null or asked.command <> all (settled)
    ) as fresh
    join unnest(touched, heads) as head (partition, seq) on head.partition = fresh.partition
    group by fresh.command;
end
$$
$text$, '/* by partition */', by_partition(0, highest, $one$
    heads := heads || coalesce((select seq from events_%p where partition = %p order by seq desc limit 1), 0);
$one$));

    execute replace($text$
-- Reads many streams in one call, each on from the last event that the caller knows of it.
--
-- The arrays have one element per stream: its partition, its id, and the version and the id of the event known last (0
-- and null when none is). A stream that does not hold that event any more, as after a failover that lost commits, is read
-- from its beginning, and `after` is 0. Every stream has at least one row; one that has nothing new has nulls there.
-- Not more than `rows_max` rows: what comes last is left out. When a partition is detached: SL002.
--
-- Stream by stream: as one join the plan depends on what the statistics say of streams in general.
create or replace function read_streams_v2(
    partitions integer[],
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
    of_partition integer;
    place integer;
    known integer;
    rows_left integer := rows_max;
    rows_new integer;
begin
    for place in 1 .. cardinality(stream_ids) loop
        of_partition := partitions[place];
        known := 0;
        if versions[place] > 0
            and (event_at(of_partition, stream_ids[place], versions[place])).event_id = event_ids[place]
        then
            known := versions[place];
        end if;

        /* by partition */

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
$$
$text$, '/* by partition */', by_partition(0, highest, $one$
        return query
        select stream_id, known, version, event_id, type, schema_version, data
        from events_%p
        where stream_id = stream_ids[place] and version > known and attached_when_planned(%p)
        order by version
        limit rows_left;
$one$));
end
$write$;

-- All partitions of a log that is new, or those that it lacks.
create function create_partitions(count integer) returns void language plpgsql
set search_path = public
as $$
begin
    if (select count(*) from log_partitions) < count then
        perform create_table_of(missing), attach_table_of(missing)
        from generate_series(0, count - 1) as missing
        where missing not in (select partition from log_partitions);
        perform write_log_functions();
    end if;
end
$$;

-- Moves what was one table into a table for each partition; tells how far it is once that takes longer than two seconds.
do $$
declare
    began timestamptz := clock_timestamp();
    told timestamptz := began + interval '1 second';
    total bigint := (select sum(seq) from log_heads);
    moved bigint := 0;
    rows_moved bigint;
    of_partition integer;
begin
    for of_partition in select partition from log_partitions order by partition loop
        perform create_table_of(of_partition);
        execute format(
            'insert into events_%s select * from events_in_one where partition = $1 order by seq', of_partition
        ) using of_partition;
        get diagnostics rows_moved = row_count;
        perform attach_table_of(of_partition);
        moved := moved + rows_moved;
        if clock_timestamp() > told + interval '1 second' then
            told := clock_timestamp();
            raise notice 'moved % of % events', moved, total;
        end if;
    end loop;
    if exists (select from log_partitions) then
        perform write_log_functions();
    end if;
end
$$;

-- The last seq of each partition that is attached.
create or replace view log_heads as
select partition, coalesce((select max(seq) from events where events.partition = log_partitions.partition), 0) as seq
from log_partitions
where is_attached(partition);

create or replace view events_readable as
select
    partition, seq, stream_id, version, owner_id, type, schema_version, readable_json(data) as data, event_id,
    recorded_at, actor, correlation_id, causation_id, request_id, traceparent
from events;

select copy_rights('log_heads', 'detached_partitions');

drop table events_in_one;

-- One deployment has one number of partitions, for ever: it is written down here at the first start.
create table log_settings (
    only_row boolean primary key default true check (only_row),
    partition_count integer not null check (partition_count > 0)
);

-- Whoever appends to a partition locks its row, in ascending order, until it has committed: that makes seq
-- gap-free and the order of seq the order of commits. The rows never change, so that they stay one page
-- however long somebody keeps a snapshot open.
create table log_partitions (
    partition integer primary key
);

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
    unique (stream_id, version)
);

-- The last seq of each partition.
create view log_heads as
select partition, coalesce((select max(seq) from events where events.partition = log_partitions.partition), 0) as seq
from log_partitions;

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'the event log is append-only: % is refused', tg_op using errcode = 'insufficient_privilege';
end
$$;

create trigger events_are_append_only before update or delete or truncate on events
for each statement execute function refuse_change();

create function readable_json(content bytea) returns jsonb language plpgsql immutable parallel safe as $$
begin
    return convert_from(content, 'UTF8')::jsonb;
exception when data_exception or invalid_text_representation or character_not_in_repertoire then
    return to_jsonb(encode(content, 'escape'));
end
$$;

-- For people: the same rows with the data as JSON.
create view events_readable as
select
    partition, seq, stream_id, version, owner_id, type, schema_version, readable_json(data) as data, event_id,
    recorded_at, actor, correlation_id, causation_id, request_id, traceparent
from events;

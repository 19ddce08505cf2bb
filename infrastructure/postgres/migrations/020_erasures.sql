-- Of who is erased the row stays, with nothing in it but the id and when: every query asks it, and so fails closed for ever.
-- The address is free again as soon as it is forgotten.
alter table credentials
    alter column email drop not null,
    alter column password_hash drop not null,
    add column erasure_requested_at timestamptz,
    add column erased_at timestamptz,
    add check (erasure_requested_at is not null or email is not null and password_hash is not null),
    add check (erased_at is null or erasure_requested_at is not null and email is null and password_hash is null);

-- Statistics are samples of what is in a column, and outlive it.
alter table credentials alter column email set statistics 0, alter column password_hash set statistics 0;

create index credentials_leaving on credentials (erasure_requested_at)
where erasure_requested_at is not null and erased_at is null;

-- Which streams somebody has, for their erasure: of each stream one entry, whatever becomes of it.
create index events_first_of_stream on events (owner_id, stream_id) where version = 1;

-- Who has ever asked for it, whatever other tables say after they were restored.
create index events_erasure_requested on events (owner_id) where type = 'UserErasureRequested';

-- Asks for a user to be erased in one call: the mark on the credentials and the event, both or neither.
--
-- The arrays are those of append_events_v2, for one command. Answers its last seq; nothing when there are no such credentials.
-- The mark a second time is no conflict, since the answer to the first may have been lost. A stream that is not at its
-- expected version is an error with the stream's name as its text. The commit wakes who erases.
create function request_erasure_v1(
    of_user_id uuid,
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
) returns bigint
language plpgsql
set search_path = public
as $$
declare
    appended record;
begin
    update credentials set erasure_requested_at = coalesce(erasure_requested_at, clock_timestamp())
    where user_id = of_user_id;
    if not found then
        return null;
    end if;

    select * from append_events_v2(
        null, array_fill(0, array[cardinality(event_ids)]),
        partitions, stream_ids, versions, expected, owner_ids, types, schema_versions, contents, event_ids, actors,
        correlation_ids, causation_ids, request_ids, traceparents
    ) into strict appended;
    if appended.conflicting_stream is not null then
        raise exception '%', appended.conflicting_stream using errcode = 'SL001';
    end if;
    perform pg_notify('erasure_requested', '');
    return appended.last_seq;
end
$$;

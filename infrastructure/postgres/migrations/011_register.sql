-- Registers a user in one call: the row of the credentials and the events, both or neither.
--
-- The arrays are those of append_events_v2, for one command. Answers its last seq; nothing when the address is
-- another user's. Its own row a second time is no conflict, since the answer to the first may have been lost.
-- A stream that is not at its expected version is an error with the stream's name as its text.
create function register_user_v1(
    new_user_id uuid,
    new_email text,
    new_password_hash bytea,
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
    insert into credentials as known (user_id, email, password_hash)
    values (new_user_id, new_email, new_password_hash)
    on conflict (email) do update set password_hash = excluded.password_hash
    where known.user_id = excluded.user_id;
    if not found then
        return null;
    end if;

    select * from append_events_v2(
        null, array_fill(0, array[cardinality(event_ids)]),
        partitions, stream_ids, versions, expected, owner_ids, types, schema_versions, contents, event_ids, actors, correlation_ids, causation_ids, request_ids, traceparents
    ) into strict appended;
    if appended.conflicting_stream is not null then
        raise exception '%', appended.conflicting_stream using errcode = 'SL001';
    end if;
    return appended.last_seq;
end
$$;

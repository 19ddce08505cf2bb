-- name: create
create table if not exists quota (
    user_id          uuid        primary key,
    minutes_granted  integer     not null,
    minutes_reserved integer     not null,
    minutes_debited  integer     not null,
    updated_at       timestamptz not null
);

-- name: load
select user_id, minutes_granted, minutes_reserved, minutes_debited, updated_at
from quota where user_id = any($1::uuid[]);

-- name: find_each
select user_id, minutes_granted, minutes_reserved, minutes_debited, updated_at, exists (
    select from credentials where user_id = quota.user_id and erasure_requested_at is not null)
from quota where user_id = any($1::uuid[]);

-- name: store
insert into quota (user_id, minutes_granted, minutes_reserved, minutes_debited, updated_at)
select user_id, minutes_granted, minutes_reserved, minutes_debited, updated_at
from json_populate_recordset(null::quota, $1::json)
on conflict (user_id) do update set
    minutes_granted = excluded.minutes_granted,
    minutes_reserved = excluded.minutes_reserved,
    minutes_debited = excluded.minutes_debited,
    updated_at = excluded.updated_at;

-- name: remove
delete from quota where user_id = any($1::uuid[]);

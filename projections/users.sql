-- name: create
-- The e-mail is unique among the credentials. It cannot be so here: an erased user and the next one with
-- the same address may lie in two partitions, which are folded in no order between them.
create table if not exists users (
    id            uuid        primary key,
    email         text        not null,
    created_at    timestamptz not null,
    updated_at    timestamptz not null,
    quota_minutes integer     not null default 0
);
-- Statistics are samples of what is in a column, and outlive it.
do $$
begin
    alter table users alter column email set statistics 0;
exception
    when undefined_column then null; -- The table of a newer version.
end
$$;

-- name: load
select id, email, created_at, updated_at, quota_minutes from users where id = any($1::uuid[]);

-- name: store
insert into users (id, email, created_at, updated_at, quota_minutes)
select id, email, created_at, updated_at, quota_minutes
from json_populate_recordset(null::users, $1::json)
on conflict (id) do update set
    email = excluded.email,
    updated_at = excluded.updated_at,
    quota_minutes = excluded.quota_minutes;

-- name: remove
delete from users where id = any($1::uuid[]);

-- name: find
-- Whoever has asked to be erased is marked so among the credentials, before any projection hears of it.
select id, email, created_at, updated_at, quota_minutes, exists (
    select from credentials where user_id = users.id and erasure_requested_at is not null)
from users where id = $1;

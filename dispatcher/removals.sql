-- name: create
-- passes and due_at are the remover's, by the database's clock. Folded again, a row that is done comes back, and is done again.
create table if not exists object_removals (
    id      uuid        primary key,
    kind    text        not null,
    user_id uuid        not null,
    passes  integer     not null default 0,
    due_at  timestamptz not null default clock_timestamp()
);
create index if not exists object_removals_due on object_removals (due_at);

-- name: load
select id, kind, user_id from object_removals where id = any($1::uuid[]);

-- name: store
insert into object_removals (id, kind, user_id)
select id, kind, user_id from json_to_recordset($1::json) as (id uuid, kind text, user_id uuid)
on conflict do nothing;

-- name: remove
delete from object_removals where id = any($1::uuid[]);

-- name: due
select id, kind, user_id, passes from object_removals
where due_at <= clock_timestamp() order by due_at limit $1;

-- name: put_off
update object_removals set passes = $3, due_at = clock_timestamp() + make_interval(secs => $4)
where id = $1 and passes = $2;

-- name: finish
delete from object_removals where id = $1;

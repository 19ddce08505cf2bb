-- name: create
-- No foreign keys between read models: each is rebuilt and replaced alone.
create table if not exists files (
    id                uuid             primary key,
    user_id           uuid             not null,
    original_filename text             not null,
    stored_filename   text             not null,
    storage_url       text             not null,
    file_size         bigint           not null,
    duration_seconds  double precision not null,
    upload_status     text             not null,
    created_at        timestamptz      not null
);
create index if not exists files_user_id on files (user_id, created_at desc, id desc);

-- name: load
select id, user_id, original_filename, stored_filename, storage_url, file_size, duration_seconds,
    upload_status, created_at
from files where id = any($1::uuid[]);

-- name: store
insert into files (id, user_id, original_filename, stored_filename, storage_url, file_size,
    duration_seconds, upload_status, created_at)
select id, user_id, original_filename, stored_filename, storage_url, file_size,
    duration_seconds, upload_status, created_at
from json_populate_recordset(null::files, $1::json)
on conflict (id) do update set
    original_filename = excluded.original_filename,
    stored_filename = excluded.stored_filename,
    storage_url = excluded.storage_url,
    file_size = excluded.file_size,
    duration_seconds = excluded.duration_seconds,
    upload_status = excluded.upload_status;

-- name: remove
delete from files where id = any($1::uuid[]);

-- name: find
select f.id, f.user_id, f.original_filename, f.stored_filename, f.storage_url, f.file_size,
    f.duration_seconds, f.upload_status, f.created_at,
    t.id, coalesce(t.status, 'not_initiated')
from files f left join transcriptions t on t.file_id = f.id
where f.id = $1;

-- name: list_of_user
-- The bounds stand in for "no cursor": with `$3 is null or ...` the index could not be used for later pages.
select f.id, f.user_id, f.original_filename, f.stored_filename, f.storage_url, f.file_size,
    f.duration_seconds, f.upload_status, f.created_at,
    t.id, coalesce(t.status, 'not_initiated')
from files f left join transcriptions t on t.file_id = f.id
where f.user_id = $1
    and (f.created_at, f.id) < (coalesce($3::timestamptz, 'infinity'),
        coalesce($4::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
order by f.created_at desc, f.id desc
limit $2;

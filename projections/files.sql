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
-- Statistics are samples of what is in a column, and outlive it.
do $$
begin
    alter table files alter column original_filename set statistics 0;
exception
    when undefined_column then null; -- The table of a newer version.
end
$$;
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

-- name: find_each
select f.id, f.user_id, f.original_filename, f.stored_filename, f.storage_url, f.file_size,
    f.duration_seconds, f.upload_status, f.created_at,
    t.id, coalesce(t.status, 'not_initiated'), exists (
        select from credentials c where c.user_id = f.user_id and c.erasure_requested_at is not null)
from files f left join transcriptions t on t.file_id = f.id
where f.id = any($1::uuid[]);

-- name: list_pages
-- A page for each who asks. The bounds stand in for "no cursor": with `$3 is null or ...` the index could not be
-- used for later pages. Times are seconds, since asyncpg takes longer for a time than for all else of an entry.
-- The page of who has asked to be erased is one row without an entry.
select page.number, f.id, f.original_filename, f.file_size, f.duration_seconds,
    date_part('epoch', f.created_at),
    t.id, coalesce(t.status, 'not_initiated')
from unnest($1::uuid[], $2::integer[], $3::timestamptz[], $4::uuid[]) with ordinality
    as page (user_id, size, created_at, id, number)
left join credentials leaving on leaving.user_id = page.user_id and leaving.erasure_requested_at is not null
left join lateral (
    select * from files listed
    where listed.user_id = page.user_id
        and (listed.created_at, listed.id) < (coalesce(page.created_at, 'infinity'),
            coalesce(page.id, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
    order by listed.created_at desc, listed.id desc
    limit page.size) f on leaving.user_id is null
left join transcriptions t on t.file_id = f.id
where f.id is not null or leaving.user_id is not null
order by page.number, f.created_at desc, f.id desc;

-- name: list_wanted
-- One page of what is wanted: its person's own rows are gone through until it is full. Else as list_pages.
select 1, f.id, f.original_filename, f.file_size, f.duration_seconds, date_part('epoch', f.created_at),
    f.transcription_id, f.transcription_status
from (select exists (
    select from credentials c where c.user_id = $1 and c.erasure_requested_at is not null)) person (leaves)
left join lateral (
    select listed.*, t.id as transcription_id, coalesce(t.status, 'not_initiated') as transcription_status
    from files listed left join transcriptions t on t.file_id = listed.id
    where listed.user_id = $1
        and (listed.created_at, listed.id) < (coalesce($3::timestamptz, 'infinity'),
            coalesce($4::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
        and ($5::text[] is null or coalesce(t.status, 'not_initiated') = any($5))
        and listed.created_at > coalesce($6::timestamptz, '-infinity')
        and listed.created_at < coalesce($7::timestamptz, 'infinity')
        and ($8::text is null or strpos(lower(normalize(listed.original_filename)), lower(normalize($8))) > 0)
    order by listed.created_at desc, listed.id desc
    limit $2) f on not person.leaves
where f.id is not null or person.leaves
order by f.created_at desc, f.id desc;

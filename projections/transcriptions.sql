-- name: create
-- No foreign keys between read models: each is rebuilt and replaced alone.
create table if not exists transcriptions (
    id                      uuid        primary key,
    file_id                 uuid        not null unique,
    user_id                 uuid        not null,
    status                  text        not null,
    attempt                 integer     not null,
    failure_reason          text,
    transcript_key          text,
    transcript_sha256       text,
    revision                integer     not null,
    word_count              integer,
    language                text,
    created_at              timestamptz not null,
    updated_at              timestamptz not null,
    completed_at            timestamptz,
    processing_time_seconds integer,
    instructions            text        not null,
    language_probability    double precision,
    requested_at            timestamptz not null,
    warnings                text        not null,
    estimated_count         integer     not null,
    alignment_attempt       integer     not null,
    aligner_id              uuid
);
-- Statistics are samples of what is in a column, and outlive it.
do $$
begin
    alter table transcriptions alter column instructions set statistics 0;
exception
    when undefined_column then null; -- The table of a newer version.
end
$$;
create index if not exists transcriptions_user_id on transcriptions (user_id, created_at desc, id desc);
create index if not exists transcriptions_status on transcriptions (status);
-- What the dispatcher looks for when nothing waits.
do $$
begin
    create index if not exists transcriptions_unaligned on transcriptions (updated_at)
        where estimated_count > 0 and alignment_attempt < 3;
exception
    when undefined_column then null; -- The table of another version.
end
$$;

-- name: load
select id, file_id, user_id, status, attempt, failure_reason, transcript_key, transcript_sha256, revision,
    word_count, language, created_at, updated_at, completed_at, processing_time_seconds,
    instructions, language_probability, requested_at, warnings, estimated_count, alignment_attempt, aligner_id
from transcriptions where id = any($1::uuid[]);

-- name: store
insert into transcriptions (id, file_id, user_id, status, attempt, failure_reason, transcript_key,
    transcript_sha256, revision, word_count, language, created_at, updated_at, completed_at,
    processing_time_seconds, instructions, language_probability, requested_at, warnings, estimated_count,
    alignment_attempt, aligner_id)
select id, file_id, user_id, status, attempt, failure_reason, transcript_key, transcript_sha256, revision,
    word_count, language, created_at, updated_at, completed_at, processing_time_seconds,
    instructions, language_probability, requested_at, warnings, estimated_count, alignment_attempt, aligner_id
from json_populate_recordset(null::transcriptions, $1::json)
on conflict (id) do update set
    status = excluded.status,
    attempt = excluded.attempt,
    failure_reason = excluded.failure_reason,
    transcript_key = excluded.transcript_key,
    transcript_sha256 = excluded.transcript_sha256,
    revision = excluded.revision,
    word_count = excluded.word_count,
    language = excluded.language,
    updated_at = excluded.updated_at,
    completed_at = excluded.completed_at,
    processing_time_seconds = excluded.processing_time_seconds,
    instructions = excluded.instructions,
    language_probability = excluded.language_probability,
    requested_at = excluded.requested_at,
    warnings = excluded.warnings,
    estimated_count = excluded.estimated_count,
    alignment_attempt = excluded.alignment_attempt,
    aligner_id = excluded.aligner_id;

-- name: remove
delete from transcriptions where id = any($1::uuid[]);

-- name: find_each
-- Progress is that of the last request: of a new one after a failure there is none at first.
select t.id, t.file_id, t.user_id, t.status, t.attempt, t.failure_reason, t.transcript_key,
    t.transcript_sha256, t.revision, t.word_count, t.language, t.created_at, t.updated_at, t.completed_at,
    t.processing_time_seconds, t.instructions, t.language_probability, t.requested_at, t.warnings,
    t.estimated_count, t.alignment_attempt, t.aligner_id,
    case t.status when 'completed' then 100 else coalesce((
        select p.percentage from transcription_progress p
        where p.transcription_id = t.id and p.requested_at = t.requested_at), 0) end,
    exists (select from credentials c where c.user_id = t.user_id and c.erasure_requested_at is not null)
from transcriptions t
where t.id = any($1::uuid[]);

-- name: list_pages
-- A page for each who asks. The bounds stand in for "no cursor": with `$3 is null or ...` the index could not be
-- used for later pages. Times are seconds, since asyncpg takes longer for a time than for all else of an entry. Inside of
-- a text in JSON quotation marks would be escaped, so that the task is found nowhere else; to read all of that JSON
-- would be half of what the statement costs. The page of who has asked to be erased is one row without an entry.
select page.number, t.id, t.file_id, t.status,
    date_part('epoch', t.created_at),
    date_part('epoch', t.completed_at),
    t.language,
    case when strpos(t.instructions, '"task":"translate"') > 0 then 'translate' else 'transcribe' end,
    t.warnings,
    case t.status when 'completed' then 100 else coalesce(p.percentage, 0) end
from unnest($1::uuid[], $2::integer[], $3::timestamptz[], $4::uuid[]) with ordinality
    as page (user_id, size, created_at, id, number)
left join credentials leaving on leaving.user_id = page.user_id and leaving.erasure_requested_at is not null
left join lateral (
    select * from transcriptions listed
    where listed.user_id = page.user_id
        and (listed.created_at, listed.id) < (coalesce(page.created_at, 'infinity'),
            coalesce(page.id, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
    order by listed.created_at desc, listed.id desc
    limit page.size) t on leaving.user_id is null
left join transcription_progress p
    on t.status <> 'completed' and p.transcription_id = t.id and p.requested_at = t.requested_at
where t.id is not null or leaving.user_id is not null
order by page.number, t.created_at desc, t.id desc;

-- name: list_wanted
-- One page of what is wanted: its person's own rows are gone through until it is full. Else as list_pages.
select 1, t.id, t.file_id, t.status,
    date_part('epoch', t.created_at),
    date_part('epoch', t.completed_at),
    t.language,
    case when strpos(t.instructions, '"task":"translate"') > 0 then 'translate' else 'transcribe' end,
    t.warnings,
    case t.status when 'completed' then 100 else coalesce(p.percentage, 0) end
from (select exists (
    select from credentials c where c.user_id = $1 and c.erasure_requested_at is not null)) person (leaves)
left join lateral (
    select listed.* from transcriptions listed
    where listed.user_id = $1
        and (listed.created_at, listed.id) < (coalesce($3::timestamptz, 'infinity'),
            coalesce($4::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
        and ($5::text[] is null or listed.status = any($5))
        and listed.created_at > coalesce($6::timestamptz, '-infinity')
        and listed.created_at < coalesce($7::timestamptz, 'infinity')
        and ($8::text is null or exists (
            select from files f where f.id = listed.file_id
                and strpos(lower(normalize(f.original_filename)), lower(normalize($8))) > 0))
    order by listed.created_at desc, listed.id desc
    limit $2) t on not person.leaves
left join transcription_progress p
    on t.status <> 'completed' and p.transcription_id = t.id and p.requested_at = t.requested_at
where t.id is not null or person.leaves
order by t.created_at desc, t.id desc;

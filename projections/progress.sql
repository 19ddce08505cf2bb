-- name: create
-- Written by the dispatcher from workers' reports, read here beside the transcriptions; no event, so never rebuilt.
create table if not exists transcription_progress (
    transcription_id uuid             primary key,
    attempt          integer          not null,
    done_seconds     double precision not null,
    total_seconds    double precision not null,
    percentage       integer          not null check (percentage between 0 and 100),
    updated_at       timestamptz      not null
) with (fillfactor = 70);
-- Which request it is of: attempts after the first resume, and what was shown never goes back.
alter table transcription_progress add column if not exists requested_at timestamptz;
-- Finished windows of what is running, for those who listen; their words are in the object store under `key`. The dispatcher
-- deletes them soon after the transcription has ended.
create table if not exists transcription_windows (
    transcription_id uuid        not null,
    index            integer     not null,
    user_id          uuid        not null,
    requested_at     timestamptz not null,
    attempt          integer     not null,
    start_ms         integer     not null,
    end_ms           integer     not null,
    key              text        not null,
    primary key (transcription_id, index)
);
create index if not exists transcription_windows_user_id on transcription_windows (user_id);

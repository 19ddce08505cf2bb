-- The tables and indexes of the guide, section 3.
create table users (
    id            uuid        primary key,
    email         varchar     not null unique,
    password_hash varchar     not null,
    quota_minutes integer     not null,
    created_at    timestamptz not null default now(),
    updated_at    timestamptz not null default now()
);
create table files (
    id                uuid        primary key,
    user_id           uuid        not null references users (id),
    original_filename varchar     not null,
    stored_filename   varchar     not null,
    storage_url       varchar     not null,
    file_size         bigint,
    duration_seconds  integer,
    upload_status     varchar     not null,
    created_at        timestamptz not null default now()
);
create index on files (user_id);
create table transcriptions (
    id                      uuid        primary key,
    file_id                 uuid        not null unique references files (id),
    user_id                 uuid        not null references users (id),
    status                  varchar     not null,
    progress_percentage     integer     not null default 0,
    transcript_text         text,
    created_at              timestamptz not null default now(),
    updated_at              timestamptz not null default now(),
    completed_at            timestamptz,
    processing_time_seconds integer
);
create index on transcriptions (user_id);
create index on transcriptions (status);

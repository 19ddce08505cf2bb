-- name: create
-- No foreign keys between read models: each is rebuilt and replaced alone.
-- indexed and claimed_until are the indexer's, and no fold: a row that is new, or whose transcript is another one, is to be indexed.
create table if not exists spoken (
    id             uuid        primary key,
    user_id        uuid        not null,
    transcript_key text        not null,
    language       text        not null,
    indexed        boolean     not null default false,
    claimed_until  timestamptz not null default '-infinity'
);
create index if not exists spoken_unindexed on spoken (claimed_until) where not indexed;
create index if not exists spoken_unindexed_of on spoken (user_id) where not indexed;
-- What is looked through. A transcript's passages are replaced together; whoever asks takes those of the current one alone.
-- An index of words would keep them for ever (PostgreSQL never removes a word from one), so that a person's own passages are gone through instead.
create table if not exists spoken_passages (
    transcription_id uuid     not null,
    number           integer  not null,
    user_id          uuid     not null,
    transcript_key   text     not null,
    configuration    text     not null,
    text             text     not null,
    times            text     not null,
    lexemes          tsvector not null,
    primary key (transcription_id, number)
);
-- Statistics are samples of what is in a column, and outlive it.
do $$
begin
    alter table spoken_passages alter column text set statistics 0, alter column lexemes set statistics 0;
exception
    when undefined_column then null; -- The table of a newer version.
end
$$;
create index if not exists spoken_passages_user_id on spoken_passages (user_id);

-- name: load
select id, user_id, transcript_key, language from spoken where id = any($1::uuid[]);

-- name: store
insert into spoken (id, user_id, transcript_key, language)
select id, user_id, transcript_key, language from json_populate_recordset(null::spoken, $1::json)
on conflict (id) do update set
    indexed = spoken.indexed and spoken.transcript_key = excluded.transcript_key,
    claimed_until = case when spoken.transcript_key = excluded.transcript_key then spoken.claimed_until else '-infinity' end,
    transcript_key = excluded.transcript_key,
    language = excluded.language;

-- name: remove
with gone as (delete from spoken_passages where transcription_id = any($1::uuid[]))
delete from spoken where id = any($1::uuid[]);

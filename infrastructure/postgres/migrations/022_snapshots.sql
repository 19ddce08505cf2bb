-- States of long streams, beside the log and never part of it: each can be deleted at any time, and nothing is lost by that.
create table snapshots (
    stream_id text collate "C" primary key,
    version integer not null check (version > 0),
    event_id uuid not null,
    -- Of the rules that made it: others do not use it.
    rules text collate "C" not null,
    state bytea not null,
    digest bytea not null,
    written_at timestamptz not null default clock_timestamp()
);

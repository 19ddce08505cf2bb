-- From where a user has logged in: there, somebody who guesses passwords elsewhere does not lock them out.
-- Of a source only a digest is kept, and only until `known_until`.
create table known_sources (
    user_id uuid not null,
    source bytea not null,
    known_until timestamptz not null,
    primary key (user_id, source)
);

create index on known_sources (known_until);

-- Beside the log, not in it: a password hash must be possible to delete.
create table credentials (
    user_id uuid primary key,
    email text collate "C" not null unique check (email = lower(email)),
    password_hash bytea not null
);

-- The key of each person, with which the personal fields of their events are sealed; wrapped by a master key that is
-- not in the database. What remains of an erased one says that there was one, so that none is ever made again.
--
-- Its backups are to live shorter than those of the log: a key in a backup opens the log for as long as that is kept.
create table person_keys (
    owner_id uuid primary key,
    master_key text,
    wrapped bytea,
    erased_at timestamptz,
    check ((master_key is null) = (erased_at is not null) and (wrapped is null) = (erased_at is not null))
);

-- For the rotation of master keys, and for a look at start which of them are needed.
create index person_keys_by_master_key on person_keys (master_key) where master_key is not null;

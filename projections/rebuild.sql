-- name: claim
-- For the session: a rebuild that is killed lets go.
select pg_try_advisory_lock(hashtext('stenolog rebuild'), hashtext($1));

-- name: unclaim
select pg_advisory_unlock(hashtext('stenolog rebuild'), hashtext($1));

-- name: hold
-- Nobody moves a live checkpoint until the end of this transaction; reading tables and checkpoints goes on.
-- The whole table is locked: projectors and we would take its rows in different orders.
-- Readers queue behind us while we wait for those who were there before, so we do not wait for long.
set local lock_timeout = '250ms';
lock table {live}.projection_checkpoints in exclusive mode;

-- name: exchange
-- Folding turned the durable commit off; this one is to be durable.
-- The offset stays: it is a hint, and that of the live projector is close.
set local synchronous_commit = on;
-- The new stamp says that rows which somebody keeps of the old table are not those of this one.
-- The version goes with the table: a projector that does not know it finds its checkpoint moved, and lets go.
update {live}.projection_checkpoints live set seq = built.seq, version = built.version, catching_up = false,
    stamp = gen_random_uuid()
from {built}.projection_checkpoints built
where live.projection = built.projection and live.partition = built.partition;
insert into {live}.projection_checkpoints (projection, version, partition, seq)
select projection, version, partition, seq from {built}.projection_checkpoints
on conflict do nothing;
delete from {live}.projection_failures where projection = '{table}';
drop table if exists {live}.{table};
alter table {built}.{table} set schema {live};

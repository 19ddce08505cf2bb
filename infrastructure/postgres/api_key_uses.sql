-- name: note
-- Of somebody who leaves nothing is written any more.
insert into api_key_uses as known (key_id, user_id, used_at)
select $1, $2, clock_timestamp()
where not exists (select from credentials where user_id = $2 and erasure_requested_at is not null)
on conflict (key_id) do update set used_at = excluded.used_at where known.used_at < excluded.used_at;

-- name: last_uses
select key_id, used_at from api_key_uses where user_id = $1;

-- name: forget
delete from api_key_uses where key_id = $1;

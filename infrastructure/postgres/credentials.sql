-- name: insert
-- Its own row a second time is no conflict: the answer to the first may have been lost.
insert into credentials as known (user_id, email, password_hash) values ($1, $2, $3)
on conflict (email) do update set password_hash = excluded.password_hash where known.user_id = excluded.user_id
returning user_id;

-- name: find
select user_id, password_hash from credentials where email = $1;

-- name: is_known
select exists (
    select from known_sources where user_id = $1 and source = $2 and known_until > clock_timestamp()
);

-- name: remember
-- Written anew at most once a day: whoever logs in all the time costs no writes.
insert into known_sources as known (user_id, source, known_until)
values ($1, $2, clock_timestamp() + make_interval(days => $3))
on conflict (user_id, source) do update set known_until = excluded.known_until
where known.known_until < excluded.known_until - interval '1 day';

-- name: forget
-- What has run out, and of the user's sources all but the latest $2.
delete from known_sources where user_id = $1 and (
    known_until <= clock_timestamp()
    or source not in (select source from known_sources where user_id = $1 order by known_until desc limit $2)
);

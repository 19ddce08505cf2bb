-- name: allow
-- $2 seconds refill one attempt, $3 refill all. Answers the seconds to wait, 0 when the attempt is allowed; nothing when
-- it is refused because of a row that somebody wrote meanwhile for the first time: ask again.
with allowed as (
    insert into rate_limits as known (key, full_at)
    values ($1, clock_timestamp() + make_interval(secs => $2))
    on conflict (key) do update
    set full_at = greatest(known.full_at, clock_timestamp()) + make_interval(secs => $2)
    where known.full_at + make_interval(secs => $2) <= clock_timestamp() + make_interval(secs => $3)
    returning 0::float8 as wait_seconds
)
select wait_seconds from allowed
union all
select greatest(extract(epoch from full_at - clock_timestamp())::float8 + $2 - $3, 0.001) from rate_limits
where key = $1 and not exists (select from allowed);

-- name: purge
delete from rate_limits where key in (
    select key from rate_limits where full_at < clock_timestamp() order by full_at limit 1000
    for update skip locked
);

-- name: tell
-- $1, $2: partitions that stand still, and why; $3: those that are relayed.
with relayed as (
    delete from relay_refusals where partition = any($3::integer[])
)
insert into relay_refusals as told (partition, reason, since)
select partition, reason, now() from unnest($1::integer[], $2::text[]) refused (partition, reason)
on conflict (partition) do update set
    since = case when told.reason = excluded.reason then told.since else excluded.since end,
    reason = excluded.reason;

-- name: transcriptions
select count(*) filter (where status = 'queued') as queued,
    coalesce(extract(epoch from clock_timestamp() - min(requested_at) filter (where status = 'queued')), 0) as oldest_seconds,
    count(*) filter (where status = 'running') as running
from dispatch_queue;

-- name: relay_lags
select partition::text, greatest(heads.seq - coalesce(told.seq, 0), 0)::float8 as events,
    coalesce(extract(epoch from clock_timestamp() - next.recorded_at), 0)::float8 as seconds
from log_heads heads
left join relay_positions told using (partition)
left join lateral (
    -- The limit keeps it a look at an index: as a mere join it may become one of the whole log.
    select recorded_at from events
    where events.partition = heads.partition and events.seq = coalesce(told.seq, 0) + 1 limit 1
) next on true;

-- name: workers
select count(*) as workers, coalesce(sum(slots), 0) as slots from dispatch_workers
where seen_at > clock_timestamp() - make_interval(secs => $1);

-- name: refusals
select partition::text, reason, extract(epoch from clock_timestamp() - since)::float8 as seconds
from relay_refusals order by partition;

-- name: members
select role, count(*) as members from lease_members where expires_at > clock_timestamp() group by role;

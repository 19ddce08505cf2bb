-- name: transcriptions
select count(*) filter (where status = 'queued') as queued, count(*) filter (where status = 'running') as running
from dispatch_queue;

-- name: workers
select count(*) as workers, coalesce(sum(slots), 0) as slots from dispatch_workers
where seen_at > clock_timestamp() - make_interval(secs => $1);

-- name: refusals
select partition::text, reason, extract(epoch from clock_timestamp() - since)::float8 as seconds
from relay_refusals order by partition;

-- name: members
select role, count(*) as members from lease_members where expires_at > clock_timestamp() group by role;

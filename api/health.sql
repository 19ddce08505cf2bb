-- name: migrated
select to_regclass('public.log_settings') is not null and to_regclass('read.projection_checkpoints') is not null;

-- name: unread
-- For each partition, how old the first event is that $1 (the seq reached, by partition) leaves out, in seconds.
select h.partition, h.seq - coalesce(r.seq, 0) as events,
    extract(epoch from clock_timestamp() - e.recorded_at)::float8 as age_seconds
from log_heads h
left join unnest($1::integer[], $2::bigint[]) r (partition, seq) on r.partition = h.partition
left join events e on e.partition = h.partition and e.seq = coalesce(r.seq, 0) + 1
where r.seq is null or h.seq > r.seq
order by h.partition;

-- name: members
select count(*) from lease_members where role = $1 and expires_at > clock_timestamp();

-- name: workers
select count(*), coalesce(sum(slots), 0) from dispatch_workers
where seen_at > clock_timestamp() - make_interval(secs => $1);

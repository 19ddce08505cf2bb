-- name: due
-- Workers that have nothing to do, while nothing waits, and typed words that nobody looks for, the oldest first.
with idle as (
    select w.worker_id, row_number() over (order by w.worker_id) as place
    from dispatch_workers w
    where w.aligns and w.aligning is null and w.seen_at > now() - make_interval(secs => $1)
        and w.seen_at <= now() + interval '1 second'
        and not exists (select from dispatch_leases l where l.worker_id = w.worker_id)
        and not exists (select from dispatch_queue where status = 'queued')
    limit 64
), due as (
    select t.id, t.revision, t.alignment_attempt + 1 as attempt,
        row_number() over (order by t.updated_at, t.id) as place
    from transcriptions t
    where t.estimated_count > 0 and t.alignment_attempt < 3 and t.id <> all($2::uuid[])
        and not exists (
            select from dispatch_workers w
            where w.worker_id = t.aligner_id and w.aligning = t.id and w.seen_at > now() - make_interval(secs => $3)
                -- Who has come to be busy gives it up to whoever is not; the last attempt is not given up.
                and (t.alignment_attempt >= 2
                    or not exists (select from dispatch_leases l where l.worker_id = w.worker_id))
        )
    order by t.updated_at, t.id
    limit 64
)
select due.id, due.revision, due.attempt, idle.worker_id
from due join idle using (place)
order by place;

-- name: heads
select partition, seq from log_heads;

-- name: count
-- $1, $2, $3: partitions, the seq after which and the one up to which to count; $5: the types that have a reason.
select type, case when type = any($5::text[]) then readable_json(data) ->> 'reason' end as reason, count(*) as events
from unnest($1::integer[], $2::bigint[], $3::bigint[]) span (partition, after_seq, last_seq)
cross join lateral (
    -- The offset keeps it a look at an index: as a mere join it may become one of the whole log.
    select type, data from events
    where events.partition = span.partition and seq > after_seq and seq <= last_seq and type = any($4::text[]) offset 0
) counted
group by 1, 2;

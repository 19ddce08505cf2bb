-- name: lags
-- $1: the projections to tell of even when they never began; those that began are told of anyway.
-- A failure counts until its event is folded; one of an event nobody can read stands under the name in $2.
select p.projection, h.partition, c.seq is not null as began, coalesce(c.seq, 0) as seq, h.seq as head,
    coalesce(greatest(extract(epoch from clock_timestamp() - e.recorded_at), 0), 0)::float8 as lag_seconds,
    f.seq as failing_seq, f.type as failing_type, f.error, f.since, f.tries
from log_heads h
cross join (select unnest($1::text[]) union select distinct projection from projection_checkpoints) p (projection)
left join projection_checkpoints c on c.projection = p.projection and c.partition = h.partition
left join lateral (
    -- The limit keeps it a look at an index: as a mere join it may become one of the whole log.
    select recorded_at from events where partition = h.partition and seq = coalesce(c.seq, 0) + 1 limit 1
) e on true
left join lateral (
    select * from projection_failures
    where partition = h.partition and projection in (p.projection, $2) and seq > coalesce(c.seq, 0)
    order by seq limit 1
) f on true
order by p.projection, h.partition;

-- name: read
select stream_id, version, event_id, rules, state, digest from snapshots where stream_id = any ($1::text[]);

-- name: write
-- The last word counts, also where it is of an earlier version: after a failover that lost events that is the true one.
insert into snapshots (stream_id, version, event_id, rules, state, digest)
values ($1, $2, $3, $4, $5, $6)
on conflict (stream_id) do update set
    version = excluded.version,
    event_id = excluded.event_id,
    rules = excluded.rules,
    state = excluded.state,
    digest = excluded.digest,
    written_at = clock_timestamp();

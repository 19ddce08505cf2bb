-- name: seen
select distinct engine from dispatch_workers
where seen_at > clock_timestamp() - make_interval(secs => $1)
order by engine;

-- name: completed
-- The last time that it was: after an edit there is no other engine, and one that failed was completed by none.
select schema_version, data from events
where partition = $1 and stream_id = $2 and type = 'TranscriptionCompleted'
order by version desc
limit 1;

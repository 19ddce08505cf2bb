-- name: seen
select languages, translates, detects, takes_prompt from dispatch_workers
where seen_at > clock_timestamp() - make_interval(secs => $1);

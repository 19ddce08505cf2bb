-- name: members
select count(*) from lease_members where role = $1 and expires_at > clock_timestamp();

-- name: refusals
select reason from relay_refusals order by partition;

-- name: seal_refusals
select reason from evidence_refusals order by partition;

-- name: workers
select slots, languages, translates, detects, takes_prompt from dispatch_workers
where seen_at > clock_timestamp() - make_interval(secs => $1);

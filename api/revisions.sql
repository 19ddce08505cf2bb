-- name: page
-- Newest first.
select type, schema_version, data, version from events
where partition = $1 and stream_id = $2 and type = any($3::text[]) and version < $4
order by version desc
limit $5;

-- name: one
-- Revisions are counted from 1 and none is left out, so that the number says how many are before it.
select type, schema_version, data, version from events
where partition = $1 and stream_id = $2 and type = any($3::text[])
order by version
offset $4 - 1
limit 1;

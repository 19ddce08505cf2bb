-- name: page
select version, type, schema_version, data from events
where partition = $1 and stream_id = $2 and version > $3
order by version
limit $4;

-- name: last_of
select seq from events where partition = $1 and stream_id = $2 and owner_id = $3 order by version desc limit 1;

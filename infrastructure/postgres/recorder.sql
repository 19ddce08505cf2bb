-- name: select_events
select stream_id, version, type, schema_version, data from events
where stream_id = $1 and version > coalesce($2, -1) and version <= coalesce($3, 2147483647)
order by version
limit $4;

-- name: select_events_backwards
select stream_id, version, type, schema_version, data from events
where stream_id = $1 and version > coalesce($2, -1) and version <= coalesce($3, 2147483647)
order by version desc
limit $4;

-- name: select_notifications
select seq, stream_id, version, type, schema_version, data from events
where partition = $1 and seq >= $2 and seq <= coalesce($3, 9223372036854775807)
    and ($4::text[] is null or (type, schema_version) in (select * from unnest($4::text[], $5::integer[])))
order by seq
limit $6;

-- name: max_notification_id
select nullif(seq, 0) from log_heads where partition = $1;

-- name: insert_tracking
insert into tracking as known (application_name, notification_id) values ($1, $2)
on conflict (application_name) do update set notification_id = excluded.notification_id
where known.notification_id < excluded.notification_id
returning notification_id;

-- name: max_tracking_id
select notification_id from tracking where application_name = $1;

-- name: touched
-- Stretch by stretch by the log's own order: as a plain join the plan depends on what statistics say of a log that grows.
select distinct e.owner_id,
    case when e.type <> 'UserErasureRequested' then substr(e.stream_id, length('transcription-') + 1)::uuid end
from unnest($1::integer[], $2::bigint[], $3::bigint[]) stretch (partition, after, upto)
cross join lateral (
    select * from events
    where events.partition = stretch.partition and events.seq > stretch.after and events.seq <= stretch.upto
    order by events.seq
    limit 1000000
) e
where e.stream_id like 'transcription-%' or e.type = 'UserErasureRequested';

-- name: recent
-- Not more than the newest thousand of anybody are looked at, through the index of the list; and of what is deleted the newest
-- two thousand events of the partition, as no index leads to it.
select asked.number, newest.id
from unnest($1::uuid[], $2::integer[], $3::bigint[]) with ordinality asked (user_id, partition, after, number)
cross join lateral (
    select t.id, t.status from transcriptions t
    where t.user_id = asked.user_id
    order by t.created_at desc, t.id desc
    limit 1000
) newest
where newest.status in ('queued', 'processing')
    or asked.after > 0 and (
        select true from events e
        where e.partition = asked.partition and e.stream_id = 'transcription-' || newest.id and e.seq > asked.after
        limit 1
    )
union
select asked.number, substr(gone.stream_id, length('transcription-') + 1)::uuid
from unnest($1::uuid[], $2::integer[], $3::bigint[]) with ordinality asked (user_id, partition, after, number)
cross join lateral (
    select e.owner_id, e.type, e.stream_id from events e
    where asked.after > 0 and e.partition = asked.partition and e.seq > asked.after
    order by e.seq desc
    limit 2000
) gone
where gone.owner_id = asked.user_id and gone.type = 'TranscriptionDeleted';

-- name: windows
-- Of the request that is shown. A later attempt names anew what it found, perhaps cut otherwise.
select w.transcription_id, w.requested_at, w.attempt, w.index, w.start_ms, w.end_ms, w.key
from unnest($1::uuid[], $2::integer[], $3::integer[]) known (transcription_id, next_index, attempt)
join transcriptions t on t.id = known.transcription_id
join transcription_windows w on w.transcription_id = t.id and w.requested_at = t.requested_at
where w.index >= known.next_index or w.attempt > known.attempt
order by w.transcription_id, w.attempt, w.index;

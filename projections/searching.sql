-- name: search
-- The best passages of a person's transcripts: a row for each passage, the transcripts in the order of their best one.
-- Nothing else is looked through but what is theirs. Without a cursor, $4 is infinite. What stop words are all of asks for nothing.
with asked as materialized (
    select configuration, string_agg(format('(%s)', alternative), ' | ')::tsquery as question
    from (
        select c.cfgname::text as configuration, websearch_to_tsquery(c.oid::regconfig, words) && signs::tsquery as alternative
        from pg_ts_config c, unnest($2::text[], $3::text[]) asked (words, signs)
        where c.cfgnamespace = 'pg_catalog'::regnamespace
    ) alternatives
    where numnode(alternative) > 0
    group by configuration
), hits as materialized (
    select p.transcription_id, p.number, ts_rank(p.lexemes, a.question) as rank
    from spoken_passages p
    join asked a using (configuration)
    join spoken s on s.id = p.transcription_id and s.transcript_key = p.transcript_key
    where p.user_id = $1 and p.lexemes @@ a.question
), best as (
    select transcription_id, max(rank) as rank, count(*) as passages
    from hits group by transcription_id
    having (max(rank), transcription_id) < ($4::real, $5::uuid)
    order by max(rank) desc, transcription_id desc limit $6
)
select b.transcription_id, t.file_id, f.original_filename, b.rank, b.passages,
    p.configuration, p.text, p.times
from best b
join transcriptions t on t.id = b.transcription_id
left join files f on f.id = t.file_id
join lateral (
    select number from hits h where h.transcription_id = b.transcription_id
    order by h.rank desc, h.number limit $7
) shown on true
join spoken_passages p on p.transcription_id = b.transcription_id and p.number = shown.number
order by b.rank desc, b.transcription_id desc, p.number;

-- name: standing
-- Whether they have asked to be erased, and whether something of theirs is still to be indexed.
select exists (select from credentials c where c.user_id = $1 and c.erasure_requested_at is not null),
    exists (select from spoken s where s.user_id = $1 and not s.indexed);

-- name: mark
select ts_headline(('pg_catalog.' || configuration)::regconfig, words,
    websearch_to_tsquery(('pg_catalog.' || configuration)::regconfig, $3),
    'HighlightAll=true, StartSel="' || $4 || '", StopSel="' || $5 || '"')
from unnest($1::text[], $2::text[]) with ordinality passage (configuration, words, place)
order by place;

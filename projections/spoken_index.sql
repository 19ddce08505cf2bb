-- name: configurations
select cfgname::text from pg_ts_config where cfgnamespace = 'pg_catalog'::regnamespace;

-- name: claim
-- By the database's clock; whoever dies with it in hand is followed by another. A translation is in English, whatever was spoken.
with due as (
    select id from spoken
    where not indexed and claimed_until < clock_timestamp() and not exists (
        select from credentials c where c.user_id = spoken.user_id and c.erasure_requested_at is not null)
    order by claimed_until limit $1 for update skip locked
)
update spoken s set claimed_until = clock_timestamp() + make_interval(secs => $2)
from due where s.id = due.id
returning s.id, s.user_id, s.transcript_key, case when exists (
    select from transcriptions t where t.id = s.id and strpos(t.instructions, '"task":"translate"') > 0
) then 'en' else s.language end;

-- name: put_off
update spoken set claimed_until = clock_timestamp() + make_interval(secs => $3)
where id = $1 and transcript_key = $2 and not indexed;

-- name: clear
delete from spoken_passages where transcription_id = $1;

-- name: put
insert into spoken_passages (transcription_id, number, user_id, transcript_key, configuration, text, times, lexemes)
select $1, number, $2, $3, $4, text, times,
    to_tsvector(('pg_catalog.' || $4::text)::regconfig, words) || signs::tsvector
from unnest($5::integer[], $6::text[], $7::text[], $8::text[], $9::text[]) passage (number, text, times, words, signs);

-- name: finish
-- Last, so that the projector waits for this row no longer than for the commit.
update spoken set indexed = true
where id = $1 and transcript_key = $2 and not exists (
    select from credentials c where c.user_id = spoken.user_id and c.erasure_requested_at is not null)
returning true;

-- name: sweep
-- What was being put while its transcription was deleted.
delete from spoken_passages p where not exists (select from spoken s where s.id = p.transcription_id);

-- Numbers for analysts: nothing in them names or describes a person. They are counted from the log when they are asked for,
-- so that they are never behind it, and read it as its owner does: who may read these need not be able to read the log.
-- Days are those of UTC.
create schema analytics;

-- What is counted, and in which version each type is understood. Others are told of by `passed_over`.
create view analytics.counted_types as
select * from (
    values ('QuotaDebited', 1), ('TranscriptionCompleted', 1), ('TranscriptionFailed', 1), ('TranscriptionCancelled', 1),
        ('TranscriptionAttemptFailed', 1)
) as counted (type, schema_version);

create view analytics.days with (security_barrier) as
select
    day,
    coalesce(sum(minutes), 0)::bigint as minutes,
    count(*) filter (where type = 'TranscriptionCompleted') as completed,
    count(*) filter (where type = 'TranscriptionFailed') as failed,
    count(*) filter (where type = 'TranscriptionCancelled') as cancelled,
    round(
        count(*) filter (where type = 'TranscriptionFailed')::numeric
        / nullif(count(*) filter (where type in ('TranscriptionCompleted', 'TranscriptionFailed')), 0), 4
    ) as failure_rate
from (
    select
        type,
        (data ->> 'minutes')::bigint as minutes,
        (
            coalesce(data ->> 'debited_at', data ->> 'completed_at', data ->> 'failed_at', data ->> 'cancelled_at')::timestamptz
            at time zone 'UTC'
        )::date as day
    from (
        select type, convert_from(data, 'UTF8')::jsonb as data
        from events
        where schema_version = 1
            and type in ('QuotaDebited', 'TranscriptionCompleted', 'TranscriptionFailed', 'TranscriptionCancelled')
    ) as counted
) as dated
group by day;

-- What was heard, in which language, by which engine, and how long that took. `sound_seconds` is what could be decoded; events
-- of before that was told do not count in it.
create view analytics.heard with (security_barrier) as
select
    ((data ->> 'completed_at')::timestamptz at time zone 'UTC')::date as day,
    data -> 'result' ->> 'language' as language,
    data -> 'result' ->> 'engine' as engine,
    count(*) as transcriptions,
    sum((data -> 'result' ->> 'word_count')::bigint)::bigint as words,
    sum((data -> 'result' ->> 'duration_seconds')::double precision) as sound_seconds,
    sum((data -> 'result' ->> 'processing_seconds')::double precision) as processing_seconds
from (
    select convert_from(data, 'UTF8')::jsonb as data
    from events
    where type = 'TranscriptionCompleted' and schema_version = 1
) as completed
group by 1, 2, 3;

-- Why attempts ended without a result, and why transcriptions did. A reason is a code.
create view analytics.failures with (security_barrier) as
select
    ((data ->> 'failed_at')::timestamptz at time zone 'UTC')::date as day,
    data ->> 'reason' as reason,
    count(*) filter (where type = 'TranscriptionAttemptFailed') as attempts,
    count(*) filter (where type = 'TranscriptionFailed') as transcriptions
from (
    select type, convert_from(data, 'UTF8')::jsonb as data
    from events
    where type in ('TranscriptionAttemptFailed', 'TranscriptionFailed') and schema_version = 1
) as failed
group by 1, 2;

-- What is not in the numbers: events of a version that they do not know, and partitions that are detached from the log.
create view analytics.passed_over with (security_barrier) as
select events.type, events.schema_version, count(*) as events
from events
join analytics.counted_types as counted on counted.type = events.type and counted.schema_version <> events.schema_version
group by 1, 2;

create view analytics.missing_partitions as
select partition from detached_partitions;

-- A group without a login of its own: `grant stenolog_analyst to somebody`. One for all databases of a server.
do $$
begin
    create role stenolog_analyst nologin;
exception
    when duplicate_object or unique_violation then null;
    when insufficient_privilege then
        raise notice 'analytics: this user may not create roles: an administrator has to, see docs/analytics.md';
end
$$;

do $$
begin
    if exists (select from pg_roles where rolname = 'stenolog_analyst') then
        grant usage on schema analytics to stenolog_analyst;
        grant select on all tables in schema analytics to stenolog_analyst;
    end if;
end
$$;

-- name: missing_tables
select coalesce(array_agg(name order by name), '{}') from unnest($1::text[]) name
where to_regclass('read.' || name) is null;

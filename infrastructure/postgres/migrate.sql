-- name: take_turns
select pg_advisory_xact_lock(hashtextextended('stenolog migrations', 0)), set_config('search_path', 'public', true);

-- name: create_table
create table if not exists migrations (
    component text not null,
    name text not null,
    sha256 text not null,
    applied_at timestamptz not null default now(),
    primary key (component, name)
);

-- name: select_applied
select name, sha256 from migrations where component = $1;

-- name: record
insert into migrations (component, name, sha256) values ($1, $2, $3);

-- name: select_tables
select schemaname || '.' || tablename as name from pg_tables
where schemaname <> 'pg_catalog' and schemaname <> 'information_schema' order by 1;

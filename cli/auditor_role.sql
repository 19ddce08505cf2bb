-- name: role_exists
select exists (select from pg_roles where rolname = '{role}');

-- name: create_role
create role {role} nologin;

-- name: allow_schemas
grant usage on schema public, read to {role};

-- name: unreadable
-- Of the tables named in $1, and of those of the partitions, what the role may not read yet.
select named.relation::regclass::text as relation
from (
    select unnest($1::text[])
    union all
    select 'public.events_' || partition from log_partitions
) as named (relation)
where to_regclass(named.relation) is not null
    and not has_table_privilege('{role}', to_regclass(named.relation), 'select')
order by 1;

-- name: allow
grant select on {relation} to {role};

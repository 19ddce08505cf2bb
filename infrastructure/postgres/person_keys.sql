-- name: find
select owner_id, master_key, wrapped from person_keys where owner_id = any ($1);

-- name: provide
-- Whoever comes first makes it. The update changes nothing, but returns what is there: also what somebody else has
-- made at this very moment, and what is left of an erased key.
insert into person_keys as known (owner_id, master_key, wrapped)
select * from unnest($1::uuid[], $2::text[], $3::bytea[])
on conflict (owner_id) do update set wrapped = known.wrapped
returning owner_id, master_key, wrapped;

-- name: erase
insert into person_keys (owner_id, erased_at) values ($1, clock_timestamp())
on conflict (owner_id) do update set master_key = null, wrapped = null, erased_at = excluded.erased_at
where person_keys.erased_at is null;

-- name: one_of_each
-- A key for each master key there is, found by leaps through the index however many keys there are.
with recursive one as (
    (
        select owner_id, master_key, wrapped from person_keys
        where master_key is not null order by master_key limit 1
    )
    union all
    select next.*
    from one
    cross join lateral (
        select owner_id, master_key, wrapped from person_keys
        where master_key > one.master_key order by master_key limit 1
    ) as next
)
select owner_id, master_key, wrapped from one;

-- name: wrapped_by
-- Passing by those that another process has in hand.
select owner_id, master_key, wrapped from person_keys where master_key = $1 limit $2 for update skip locked;

-- name: rewrap
update person_keys set master_key = $1, wrapped = new.wrapped
from unnest($2::uuid[], $3::bytea[]) as new (owner_id, wrapped)
where person_keys.owner_id = new.owner_id and person_keys.master_key is not null;

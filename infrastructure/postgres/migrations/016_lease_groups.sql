-- As renew_leases_v1, for slots that come in groups of `width` neighbours: a member holds all of a group or none of it.
-- Members that call renew_leases_v1 share with it: who has part of a group keeps the others from claiming that.
create function renew_leases_v2(
    role_name text, slot_count integer, member_id uuid, lease_seconds double precision, width integer
)
returns integer[] language plpgsql set search_path = public as $$
declare
    until timestamptz;
    group_count integer := (slot_count + width - 1) / width;
    share integer;
begin
    perform pg_advisory_xact_lock(hashtextextended('leases ' || role_name, 0));
    until := clock_timestamp() + make_interval(secs => lease_seconds);

    insert into lease_members values (role_name, member_id, until)
    on conflict (role, owner_id) do update set expires_at = excluded.expires_at;
    delete from lease_members where role = role_name and expires_at < clock_timestamp();
    delete from leases where role = role_name and (expires_at < clock_timestamp() or slot >= slot_count);

    -- The groups that do not divide evenly go to the first members.
    select group_count / count(*) + (count(*) filter (where owner_id < member_id) < group_count % count(*))::integer
    from lease_members where role = role_name into share;

    delete from leases where role = role_name and owner_id = member_id and slot / width not in (
        select distinct slot / width from leases where role = role_name and owner_id = member_id
        order by slot / width limit share
    );
    update leases set expires_at = until where role = role_name and owner_id = member_id;
    insert into leases (role, slot, owner_id, expires_at)
    select role_name, slot, member_id, until
    from (
        select free from generate_series(0, group_count - 1) as free
        where not exists (select from leases where role = role_name and slot / width = free)
        order by free
        limit share - (
            select count(distinct slot / width) from leases where role = role_name and owner_id = member_id
        )
    ) as claimed
    cross join generate_series(free * width, least((free + 1) * width, slot_count) - 1) as slot;

    return array(select slot from leases where role = role_name and owner_id = member_id order by slot);
end
$$;

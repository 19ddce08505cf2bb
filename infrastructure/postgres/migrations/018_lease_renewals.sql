-- As renew_leases_v2, with which it may be mixed, for half of the processor time where nothing changes: nobody has come or
-- gone, and the member has its share. Then it only moves the ends.
create function renew_leases_v3(
    role_name text, slot_count integer, member_id uuid, lease_seconds double precision, width integer
)
returns integer[] language plpgsql set search_path = public as $$
declare
    until timestamptz;
    group_count integer := (slot_count + width - 1) / width;
    held integer[];
    is_settled boolean;
begin
    perform pg_advisory_xact_lock(hashtextextended('leases ' || role_name, 0));
    until := clock_timestamp() + make_interval(secs => lease_seconds);

    select coalesce(l.slots, '{}'), m.is_in and not m.some_went and not l.some_ended
        and l.groups = group_count / m.members + (m.before < group_count % m.members)::integer
    from (
        select nullif(count(*), 0) as members, count(*) filter (where owner_id < member_id) as before,
            bool_or(owner_id = member_id) as is_in, bool_or(expires_at < clock_timestamp()) as some_went
        from lease_members where role = role_name
    ) m, (
        select array_agg(slot order by slot) filter (where owner_id = member_id) as slots,
            count(distinct slot / width) filter (where owner_id = member_id) as groups,
            coalesce(bool_or(expires_at < clock_timestamp() or slot >= slot_count), false) as some_ended
        from leases where role = role_name
    ) l
    into held, is_settled;

    if is_settled then
        update lease_members set expires_at = until where role = role_name and owner_id = member_id;
        update leases set expires_at = until where role = role_name and owner_id = member_id;
        return held;
    end if;
    return renew_leases_v2(role_name, slot_count, member_id, lease_seconds, width);
end
$$;

create table lease_members (
    role text not null,
    owner_id uuid not null,
    expires_at timestamptz not null,
    primary key (role, owner_id)
);

create table leases (
    role text not null,
    slot integer not null,
    owner_id uuid not null,
    expires_at timestamptz not null,
    primary key (role, slot)
);

-- Announces a member, lets go of what is over its fair share, renews the rest and claims what is free.
-- One member at a time per role, so that all see the same membership.
create function renew_leases_v1(role_name text, slot_count integer, member_id uuid, lease_seconds double precision)
returns integer[] language plpgsql set search_path = public as $$
declare
    until timestamptz;
    share integer;
begin
    perform pg_advisory_xact_lock(hashtextextended('leases ' || role_name, 0));
    until := clock_timestamp() + make_interval(secs => lease_seconds);

    insert into lease_members values (role_name, member_id, until)
    on conflict (role, owner_id) do update set expires_at = excluded.expires_at;
    delete from lease_members where role = role_name and expires_at < clock_timestamp();
    delete from leases where role = role_name and (expires_at < clock_timestamp() or slot >= slot_count);

    -- The slots that do not divide evenly go to the first members.
    select slot_count / count(*) + (count(*) filter (where owner_id < member_id) < slot_count % count(*))::integer
    from lease_members where role = role_name into share;

    delete from leases where role = role_name and owner_id = member_id and slot not in (
        select slot from leases where role = role_name and owner_id = member_id order by slot limit share
    );
    update leases set expires_at = until where role = role_name and owner_id = member_id;
    insert into leases (role, slot, owner_id, expires_at)
    select role_name, free.slot, member_id, until
    from generate_series(0, slot_count - 1) as free (slot)
    where not exists (select from leases where role = role_name and slot = free.slot)
    order by free.slot
    limit share - (select count(*) from leases where role = role_name and owner_id = member_id);

    return array(select slot from leases where role = role_name and owner_id = member_id order by slot);
end
$$;

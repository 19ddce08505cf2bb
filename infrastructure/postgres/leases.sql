-- name: renew
select renew_leases_v3($1, $2, $3, $4, $5);

-- name: release
with left_slots as (
    delete from leases where role = $1 and owner_id = $2
)
delete from lease_members where role = $1 and owner_id = $2;

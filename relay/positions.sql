-- name: tell
-- A process that lost a partition may tell of it once more, later than its new owner: for a second that is wrong.
insert into relay_positions (partition, seq, told_at)
select partition, seq, clock_timestamp() from unnest($1::integer[], $2::bigint[]) relayed (partition, seq)
on conflict (partition) do update set seq = excluded.seq, told_at = excluded.told_at;

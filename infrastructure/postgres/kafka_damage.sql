-- name: tell
-- The first offset stays: a reader that begins behind it may meet another.
insert into kafka_damage as known (topic, partition, first_offset, error) values ($1, $2, $3, $4)
on conflict (topic, partition) do update set
    first_offset = least(known.first_offset, excluded.first_offset),
    error = excluded.error;

-- name: mended
delete from kafka_damage where topic = $1 and partition = $2 and first_offset = $3;

-- name: known
select topic, partition, first_offset, error, since from kafka_damage order by topic, partition;

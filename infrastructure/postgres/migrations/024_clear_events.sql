-- Events of before fields were sealed have them in the clear. `stenolog migrate` seals them where they lie, and here says how
-- far it has looked through each partition, so that it goes on from there.
--
-- Such an event stays as it is where evidence shows it in the clear, which goes up to `kept_through` and is `kept` events, or where
-- it cannot be read. No other is passed on in the clear, neither to Kafka nor to evidence.
create table clear_events (
    partition integer primary key,
    looked_through bigint not null default 0,
    kept_through bigint not null default 0,
    kept bigint not null default 0,
    unreadable bigint[] not null default '{}'
);

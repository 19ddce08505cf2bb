-- Where Kafka has messages that it cannot give, because its files were cut or changed; for whoever watches.
create table kafka_damage (
    topic text,
    partition integer,
    first_offset bigint not null,
    error text not null,
    since timestamptz not null default clock_timestamp(),
    primary key (topic, partition)
);

-- Partitions that no relay may carry on with, because log and Kafka contradict each other; for whoever watches.
create table relay_refusals (
    partition integer primary key,
    reason text not null,
    since timestamptz not null
);

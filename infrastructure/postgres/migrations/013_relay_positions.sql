-- How far each partition has been relayed, told about once a second; for whoever watches, and trusted by nobody else.
create table relay_positions (
    partition integer primary key,
    seq bigint not null,
    told_at timestamptz not null
) with (fillfactor = 50);

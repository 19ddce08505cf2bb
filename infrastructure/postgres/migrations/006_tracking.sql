-- How far a consumer has come with an upstream sequence, in the same transaction as the events it caused.
create table tracking (
    application_name text primary key,
    notification_id bigint not null
);

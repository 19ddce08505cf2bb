-- name: heartbeat
-- On for a standby, and for a primary that was told to be one no more.
show transaction_read_only;

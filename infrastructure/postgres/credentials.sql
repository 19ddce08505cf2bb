-- name: register
select register_user_v1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17);

-- name: find
select user_id, password_hash, erasure_requested_at is not null as leaves from credentials where email = $1;

-- name: find_of
select user_id, password_hash, erasure_requested_at is not null as leaves, email
from credentials where user_id = $1 and email is not null;

-- name: request_erasure
select request_erasure_v1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15);

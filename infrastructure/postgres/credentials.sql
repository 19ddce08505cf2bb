-- name: register
select register_user_v1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17);

-- name: find
select user_id, password_hash from credentials where email = $1;

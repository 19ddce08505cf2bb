-- name: checkpoint
select note from evidence_checkpoints where partition = $1 order by size desc limit 1;

-- name: keys
-- The newest first.
select verifier_key from evidence_keys where partition = $1 order by since desc, verifier_key;

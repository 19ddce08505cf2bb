-- When each API key was used last, roughly. It is no event: nothing is decided by it, and it goes with its user.
create table api_key_uses (
    key_id uuid primary key,
    user_id uuid not null,
    used_at timestamptz not null
) with (fillfactor = 70);

create index api_key_uses_of_user on api_key_uses (user_id);

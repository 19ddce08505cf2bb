-- Who reads the log as an auditor says so in the server's own log, which nobody who only reads can change. It is one line:
-- AuditAccess {"role": …, "range": …, "command": …}.
create function audit_access(command text, range text) returns void language plpgsql as $$
begin
    raise log 'AuditAccess %', jsonb_build_object('role', session_user, 'command', command, 'range', range);
end
$$;

"""The event log in PostgreSQL and what stands beside it."""

"""The dispatcher, on tables in memory and in PostgreSQL."""

"""PostgreSQL: the event log and everything that has to be written in one transaction with it."""

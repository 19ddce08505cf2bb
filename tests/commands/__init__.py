"""Commands, on the log in memory."""

"""Read models, folded in memory and on a real PostgreSQL."""

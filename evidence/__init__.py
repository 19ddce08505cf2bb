"""Evidence: what the log held, sealed so that a later change of it shows."""

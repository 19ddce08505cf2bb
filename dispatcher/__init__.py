"""The dispatcher: the queue, the assignments and leases of attempts, and what workers report."""

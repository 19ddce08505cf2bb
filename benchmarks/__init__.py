"""Measurements that compare us with a peer and a limit in one run."""

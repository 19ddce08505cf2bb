"""Object stores, by one contract."""

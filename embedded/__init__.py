"""Real servers from wheels, and the supervisor that runs the whole system on one machine."""

"""The worker: windows, engines, attempts, and the process around them."""

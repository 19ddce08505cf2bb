"""What processes take leases for; the API asks by the same names who is at work."""

from typing import Final

RELAY: Final = "relay"
PROJECT: Final = "project"
DISPATCH: Final = "dispatch"
DISPATCH_QUEUE: Final = "dispatch queue"

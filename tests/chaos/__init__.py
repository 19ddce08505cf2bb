"""Chaos: real load on a real installation while its parts are killed, frozen and cut off, and an oracle after it."""

"""Untrusted recordings: what they are and how they sound, found out in sandboxed processes."""

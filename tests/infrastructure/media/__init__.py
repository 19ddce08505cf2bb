"""Untrusted recordings: measured, refused, decoded."""

"""Adapters, on what they adapt to."""

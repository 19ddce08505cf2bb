"""Histories that were stored by released versions."""

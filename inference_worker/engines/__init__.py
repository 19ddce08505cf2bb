"""Engines: speech in, timed words out."""

"""The write side: load a stream, decide, append."""

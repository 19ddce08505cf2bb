"""Models fetched from the hub: which files, whether they are the right ones, and where they lie."""

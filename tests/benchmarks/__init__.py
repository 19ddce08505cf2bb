"""The benchmarks: how they count, not how fast anything is."""

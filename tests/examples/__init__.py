"""The programs in `examples/`, run as their readers would run them."""

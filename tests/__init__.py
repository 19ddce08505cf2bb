"""The tests: sentences about what Stenolog does."""

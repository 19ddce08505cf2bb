"""The read side: tables folded from the log, and the queries over them."""

"""The guarantees of docs/guarantees.md, each shown to hold, and each check shown to notice when its mechanism is broken."""

"""What can go wrong on somebody's machine without being a bug."""


class Problem(Exception):
    """Something the person at the keyboard can act on; the message is all they need, no traceback."""

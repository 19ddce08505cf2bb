"""What keeps a command or a process from doing its work and is for a person to set right."""


class Mendable(Exception):
    """The message is the one line the person needs: what is wrong, and what to do about it. No traceback."""

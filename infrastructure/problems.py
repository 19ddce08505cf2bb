"""What keeps a process from doing its work and is for a person to set right."""


class Unfit(Exception):
    """The message is the one line that the person needs."""

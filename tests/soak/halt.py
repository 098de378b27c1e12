"""The one error of a soak."""


class Halted(Exception):
    """It cannot go on: a command or a client did not do what it is for."""

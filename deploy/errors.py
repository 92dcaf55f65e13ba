"""What keeps the local system from starting."""


class CannotStart(Exception):
    """Say in a sentence or two why `make run` stops before it serves, and what to do about it."""

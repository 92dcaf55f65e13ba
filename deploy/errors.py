"""Errors that keep the local system from starting."""


class CannotStart(Exception):
    """State in one or two sentences why `make run` stops before it serves, and what to do about it."""

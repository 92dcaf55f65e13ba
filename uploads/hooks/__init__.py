"""Hooks: a project's own checks, which each original has to pass before anything of it is shown.

A hook is a function, or an object that can be called. It gets a `Candidate`. It returns to pass it, raises
`Refused` with a reason that its owner reads, or raises `TryLater`.
"""

from uploads.hooks.candidate import Candidate, Refused, TryLater

__all__ = ["Candidate", "Refused", "TryLater"]

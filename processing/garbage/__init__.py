"""Garbage: which files may be removed. Pending files name them, and the generation permits it."""

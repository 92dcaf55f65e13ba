"""Bytes: what is wanted of an original, and how it is made."""

"""Receiving: accept files from browsers and programs, and enforce limits on them."""

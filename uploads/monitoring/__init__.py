"""Monitoring tells whether the system is well, and its numbers."""

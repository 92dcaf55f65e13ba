"""Whether the system is well, and its numbers."""

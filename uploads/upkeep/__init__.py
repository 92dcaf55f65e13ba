"""Upkeep restarts, cleans up and compares, on a schedule or by a command."""

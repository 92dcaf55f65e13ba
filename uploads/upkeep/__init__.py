"""Upkeep restarts, cleans up and audits, on a schedule or by a command."""

"""Logs: one line for each request and each task, and the ids by which they belong together."""

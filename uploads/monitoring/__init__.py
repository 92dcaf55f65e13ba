"""Monitoring reports the system's health and statistics."""

"""Owners that are services, which send a key with each request."""

"""Serving gives pictures their addresses, and answers requests for them."""

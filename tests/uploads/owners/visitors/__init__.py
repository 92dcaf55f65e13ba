"""Owners that are visitors, who need not sign in."""

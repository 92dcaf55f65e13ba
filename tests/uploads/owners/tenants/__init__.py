"""Owners that are tenants, whose users share a gallery."""

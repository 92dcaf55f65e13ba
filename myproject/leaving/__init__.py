"""Leaving: a person takes everything along, and deletes the account."""

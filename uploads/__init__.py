"""Uploads knows people: who sent what, who may see it, who is told."""

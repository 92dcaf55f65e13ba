"""Sizes, crops and turns, and the one decode that they begin with."""

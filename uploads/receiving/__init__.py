"""Receiving takes files from browsers and programs, and decides who may send how much."""

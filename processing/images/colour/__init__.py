"""Colour converts the colours of an original to sRGB."""

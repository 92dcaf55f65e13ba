"""Encoding turns pixels into the bytes of a rendition or of a placeholder."""

"""From pixels to the bytes of a rendition or of a placeholder."""

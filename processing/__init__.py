"""Processing knows bytes: which renditions an original needs, and how each is made."""

"""Animation renders the frames of an original, one after the other."""

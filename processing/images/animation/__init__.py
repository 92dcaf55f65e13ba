"""The frames of an animation, one after the other."""

"""From the original's colours to sRGB."""

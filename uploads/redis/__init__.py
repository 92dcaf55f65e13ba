"""Redis: its address, connections to it, and behaviour while it is unavailable."""

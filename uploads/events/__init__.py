"""Events are the kept history of uploads, and the live stream of it."""

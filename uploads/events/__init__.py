"""Events: the kept history of uploads, and its live stream."""

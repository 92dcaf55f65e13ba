"""People: their uploads, who may see them, and who is notified."""

"""Where media lies: a folder or a bucket."""

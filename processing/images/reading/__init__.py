"""Reading identifies a file's format, and refuses files that are not accepted."""

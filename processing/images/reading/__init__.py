"""Reading finds out what a file is, and refuses what is not taken."""

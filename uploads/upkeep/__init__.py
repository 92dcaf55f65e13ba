"""What runs by itself, again and again, or by a command: to start anew, to clean up, to compare."""

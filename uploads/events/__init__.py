"""What has happened: the history that is kept, and the live stream of it."""

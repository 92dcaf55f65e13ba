"""What comes in: files on their way from a browser, and whether somebody may send them."""

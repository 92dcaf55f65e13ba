"""What goes out: the addresses of pictures, and the views that answer them."""

"""Serving builds the URLs of pictures and answers requests for them."""

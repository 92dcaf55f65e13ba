"""Images turns an original into its renditions; no other package imports Pillow."""

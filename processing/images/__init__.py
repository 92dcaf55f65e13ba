"""The only place that knows Pillow: an original in, its renditions out."""

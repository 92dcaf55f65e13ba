"""Geometry decodes once, then resizes, crops and turns."""

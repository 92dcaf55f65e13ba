"""An app of another project, whose articles have pictures."""

"""An app of another project, whose image field is adopted."""

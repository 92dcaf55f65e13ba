"""The renderer: a small process without rights in which the files of people are decoded (docs/adr/0026)."""

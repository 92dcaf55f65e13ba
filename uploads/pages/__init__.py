"""Pages are what people see in a browser."""

"""The OpenAPI schema of the API, and the page that shows it."""

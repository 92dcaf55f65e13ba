"""The API is the REST interface for programs."""

"""Storages keep media files in a folder or in a bucket."""

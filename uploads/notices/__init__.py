"""Notices tell people and their programs about events: in the app, by email and by webhooks."""

"""Notices tell people and their programs of events: in the app, by mail and by webhooks."""

"""What people and their programs are told, in the app, by mail and by webhooks."""

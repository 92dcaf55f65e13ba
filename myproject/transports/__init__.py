"""How Celery speaks to RabbitMQ and to Redis."""

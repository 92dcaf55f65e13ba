"""Celery: broker, queues, workers and beat's schedule."""

from typing import Any

from kombu import Exchange, Queue

from myproject.settings.base import REDIS_CA_FILE, REDIS_KEY_PREFIX, REDIS_URL, TIME_ZONE
from myproject.settings.environment import VAR_DIR, env
from myproject.settings.media import DARKROOM
from processing import conf
from uploads.redis.address import is_redis, spelled, tls_options


def _or_redis(address: str) -> str:
    """Return this address, or without one that of Redis, as kombu and Celery spell it."""
    return spelled(address or REDIS_URL, for_kombu=True)


CELERY_BROKER_URL = _or_redis(env.str("CELERY_BROKER_URL", default=""))
BROKER_IS_REDIS = is_redis(CELERY_BROKER_URL)
CELERY_RESULT_BACKEND = _or_redis(env.str("CELERY_RESULT_BACKEND", default=""))
CELERY_BROKER_USE_SSL: dict[str, Any] | bool = tls_options(CELERY_BROKER_URL, REDIS_CA_FILE) or False
CELERY_REDIS_BACKEND_USE_SSL = tls_options(CELERY_RESULT_BACKEND, REDIS_CA_FILE)
CELERY_RESULT_BACKEND_TRANSPORT_OPTIONS = {
    "global_keyprefix": REDIS_KEY_PREFIX,
    "additional_connection_errors": "uploads.redis.connections:ServerDemoted",
}
CELERY_TASK_IGNORE_RESULT = True
CELERY_RESULT_EXPIRES = 3600
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = "json"
CELERY_RESULT_SERIALIZER = "json"
CELERY_TIMEZONE = TIME_ZONE


def _queue(name: str) -> Queue:
    """Return a queue; on RabbitMQ, a quorum queue, which survives the loss of a node."""
    if BROKER_IS_REDIS:
        return Queue(name, Exchange(name), routing_key=name)
    # Celery delays retries in the broker only with a topic exchange. With a direct one, a delayed message
    # would occupy a worker's prefetch slot until it is due.
    exchange = Exchange("darkroom", type="topic")
    return Queue(name, exchange, routing_key=name, queue_arguments={"x-queue-type": "quorum"})


# A quorum queue without a majority confirms nothing, so publishers wait at most a second.
_PUBLISHING: dict[str, Any] = {} if BROKER_IS_REDIS else {"confirm_timeout": 1}

# One queue for each purpose, so that work that people wait for goes first. `DARKROOM` names all but the last.
CELERY_TASK_DEFAULT_QUEUE = DARKROOM["NOTIFICATIONS_QUEUE"]
CELERY_TASK_QUEUES = [
    _queue(name)
    for name in (
        *(DARKROOM[f"{kind}_QUEUE"] for kind in ("THUMBNAILS", "RENDITIONS", "NOTIFICATIONS", "BULK")),
        "maintenance",
    )
]
CELERY_TASK_ROUTES = {
    "processing.tasks.generate_thumbnails": {"queue": DARKROOM["THUMBNAILS_QUEUE"], **_PUBLISHING},
    "processing.tasks.resize_image": {"queue": DARKROOM["RENDITIONS_QUEUE"], **_PUBLISHING},
    "uploads.recurring.*": {"queue": "maintenance", **_PUBLISHING},
    "*": {"queue": CELERY_TASK_DEFAULT_QUEUE, **_PUBLISHING},
}
CELERY_TASK_TIME_LIMIT = conf.read(DARKROOM).step_time_limit

# Publishing is limited to a second or two, because the sweeper publishes unfinished work again. kombu
# replaces a stale RabbitMQ connection only if it may retry, so it retries once without a delay. The Redis
# client reconnects automatically.
CELERY_TASK_PUBLISH_RETRY = not BROKER_IS_REDIS
CELERY_TASK_PUBLISH_RETRY_POLICY = {
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0,
    "interval_max": 0,
}
CELERY_BROKER_CONNECTION_TIMEOUT = 1
CELERY_BROKER_POOL_LIMIT = 10
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# Workers and beat wait for the broker without a limit; by default they end after an hour.
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_TRANSPORT_OPTIONS = (
    {
        "socket_timeout": 1,
        "socket_connect_timeout": 1,
        "max_retries": 0,
        "visibility_timeout": 3600,
        "global_keyprefix": REDIS_KEY_PREFIX,
    }
    if BROKER_IS_REDIS
    else {"max_retries": 0, "confirm_publish": True}
)
CELERY_REDIS_SOCKET_TIMEOUT = 5.0
CELERY_REDIS_SOCKET_CONNECT_TIMEOUT = 1.0

# Disable prefetching on Redis and minimise it on RabbitMQ, so that messages do not wait behind a slow task.
CELERY_WORKER_DISABLE_PREFETCH = BROKER_IS_REDIS
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_SEND_TASK_EVENTS = True
CELERY_WORKER_MAX_MEMORY_PER_CHILD = 600_000  # KiB; a child that exceeds it is replaced after its task
CELERY_BEAT_SCHEDULER = "uploads.upkeep.beat:Scheduler"
CELERY_BEAT_SCHEDULE_FILENAME = str(VAR_DIR / "celerybeat-schedule")

"""Flower reads this file when it starts in this folder, and does not start open to everybody.

It shows and stops tasks, and the proxy that people reach it by is on the same machine: where it listens tells
nothing about who may come.
"""

import django
from flower.command import apply_env_options
from tornado.options import options

from myproject.startup import refuse_errors
from uploads.redis.checks import TAG

django.setup()
# The settings have added the variables of the environment file, of which Flower itself knows nothing.
apply_env_options()
if not (any(options.basic_auth or []) or options.auth):
    raise SystemExit(
        "Flower needs a password: set FLOWER_BASIC_AUTH=name:password (docs/deployment.md tells more)."
    )
refuse_errors(tags=[TAG])

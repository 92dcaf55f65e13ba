"""The settings of this site, one module for each part; `docs/settings.md` lists them.

They are read from the environment and `.env`. The defaults serve a single machine.
"""

from myproject.settings.api import *
from myproject.settings.base import *
from myproject.settings.celery import *
from myproject.settings.environment import env
from myproject.settings.logs import *
from myproject.settings.media import *
from myproject.settings.people import *
from myproject.settings.security import *
from myproject.settings.telemetry import *

env.refuse_wrong()

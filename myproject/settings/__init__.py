"""The settings of this site, each part in a module of its own; `docs/settings.md` lists what can be set.

They come from the environment (`.env` is read). Unset, each serves one machine.
"""

from myproject.settings.api import *
from myproject.settings.base import *
from myproject.settings.celery import *
from myproject.settings.logs import *
from myproject.settings.media import *
from myproject.settings.people import *
from myproject.settings.security import *

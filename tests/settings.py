"""The settings of this site with an app whose models have pictures, as another project has."""

from myproject.settings import *
from myproject.settings import DARKROOM as DARKROOM_OF_THE_SITE
from myproject.settings import INSTALLED_APPS as APPS_OF_THE_SITE

INSTALLED_APPS = [*APPS_OF_THE_SITE, "tests.articles", "tests.adoption"]

# The process of the tests sends no heartbeats. Other processes have the settings of the site.
DARKROOM = {**DARKROOM_OF_THE_SITE, "HEARTBEAT": 0}

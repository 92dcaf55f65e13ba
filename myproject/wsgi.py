"""For servers that speak only WSGI; everything works except the event stream."""

import os

from django.core.wsgi import get_wsgi_application

from myproject.postgresql.time_limits import limit_statements

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "myproject.settings")

application = get_wsgi_application()
limit_statements()

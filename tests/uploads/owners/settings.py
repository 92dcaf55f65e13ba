"""The settings of this site with other owners. The variable `OWNERS` names the app that brings them."""

from os import environ
from typing import Any

from myproject import settings as site

vars().update({name: value for name, value in vars(site).items() if name.isupper()})

KIND = environ["OWNERS"]
_MODELS = {"services": "Service", "tenants": "Tenant", "visitors": "Visitor"}
INSTALLED_APPS = [*site.INSTALLED_APPS, f"tests.uploads.owners.{KIND}"]
UPLOADS_OWNER_MODEL = f"{KIND}.{_MODELS[KIND]}"
UPLOADS_OWNERS = f"tests.uploads.owners.{KIND}.rules.{_MODELS[KIND]}Owners"
# The tests of several kinds may run on one PostgreSQL server at the same time.
DATABASES: dict[str, dict[str, Any]] = {
    "default": {"TEST": {"NAME": f"test_{KIND}"}, **site.DATABASES["default"]},
}

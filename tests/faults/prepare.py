"""Prepare a site's database, static files and users, and print the users as JSON.

It runs in the site's environment, and reads the number of users from standard input.
"""

import json
import sys

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client

from deploy import static_files
from uploads.tokens import issuing


def main() -> None:
    """Do what a deployment does before any process serves requests."""
    call_command("migrate", interactive=False, verbosity=0)
    static_files.collect()
    sys.stdout.write(json.dumps([_person(number) for number in range(int(sys.stdin.read()))]))


def _person(number: int) -> dict[str, str]:
    user = User.objects.create_user(f"person{number}", f"person{number}@example.com")
    client = Client()
    client.force_login(user, settings.AUTHENTICATION_BACKENDS[0])
    token = issuing.issue(owner=user, name="a program", scope="all")
    return {"name": user.username, "token": token.key, "session": client.cookies["sessionid"].value}


if __name__ == "__main__":
    main()

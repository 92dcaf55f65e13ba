"""Update the database and the static files, create the demo person, and print that person's link.

One process does all of it, because starting Django takes most of the time.
"""

import os

import django
from django.core.management import call_command

from deploy import static_files
from myproject.startup import refuse_wrong_redis


def main() -> None:
    """Prepare everything that the servers need."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "myproject.settings")
    django.setup()
    call_command("check")
    refuse_wrong_redis()
    call_command("migrate", interactive=False, verbosity=0)
    static_files.collect()
    call_command("demo_link")


if __name__ == "__main__":
    main()

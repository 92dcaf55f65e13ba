#!/usr/bin/env bash
# Run a command of manage.py as the services run: as their user, and with their settings. For example: darkroom doctor
set -euo pipefail
cd /opt/darkroom/current
exec runuser --user darkroom -- env ENV_FILE=/etc/darkroom/environment .venv/bin/python manage.py "$@"

#!/bin/sh
# Install into a folder exactly what its package-lock.json names, and build it where it says how:
# npm.sh FOLDER.
set -eu

folder=$1

echo "Installing $folder/package-lock.json ..."
# No package's own script is run: what is installed is what the lock file names.
deploy/run_npm.sh ci --prefix "$folder" --ignore-scripts --no-audit --no-fund --loglevel=error
deploy/run_npm.sh run build --if-present --prefix "$folder" --silent

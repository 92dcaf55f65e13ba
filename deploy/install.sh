#!/bin/sh
# Install into .venv exactly what a lock file names: install.sh LOCK [options that pip and uv share].
# uv does in seconds what takes pip minutes; where uv finds no package (a mirror may be known to
# pip alone) pip does it. Packages are compiled here: where PYTHONDONTWRITEBYTECODE is set, each process
# would compile them again, which takes several seconds.
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
